import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createHost } from "../../../src/host/index.ts";

test("a conversion that is interrupted ends its child and leaves nothing behind", async () => {
  const folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
  const from = join(folder, "from");
  writeFileSync(from, Buffer.concat(Array.from({ length: 8 }, () => randomBytes(2 ** 24))));
  const controller = new AbortController();
  const host = createHost({ uri: "test:///default", env: process.env });
  const conversion = host.perform(
    { do: "convert", from, fromFormat: "raw", to: join(folder, "to"), toFormat: "qcow2", compress: true, mode: 0o600 },
    { signal: controller.signal, onProgress: () => controller.abort() },
  );
  await expect(conversion).rejects.toMatchObject({ code: "interrupted" });
  expect(readdirSync(folder)).toEqual(["from"]);
  rmSync(folder, { recursive: true });
});
