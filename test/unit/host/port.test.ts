import { expect, test } from "vitest";
import type { HostPort } from "../../../src/core/ports.ts";
import { createHost } from "../../../src/host/index.ts";

test("the host is what core asks for", () => {
  const host: HostPort = createHost({ uri: "test:///default", env: process.env });
  expect(host).toBeDefined();
});
