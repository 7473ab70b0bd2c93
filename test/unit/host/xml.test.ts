import { expect, test } from "vitest";
import { parseXml } from "../../../src/host/xml.ts";

test("a document that is larger than any that describes something is refused at once", () => {
  const refused = expect.objectContaining({ code: "host", message: "XML of a domain: it is too large" });
  for (const inside of [`<!--${"x".repeat(50 * 1024 ** 2)}-->`, "<a/>".repeat(100_000), "<a>".repeat(100_000)])
    expect(() => parseXml(`<domain>${inside}</domain>`, "domain")).toThrow(refused);
  expect(parseXml(`<domain>${"<disk type='file'/>".repeat(1_000)}</domain>`, "domain").documentElement?.tagName).toBe(
    "domain",
  );
});
