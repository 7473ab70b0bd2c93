import { expect, test } from "vitest";
import { parseXml, serializeXml } from "../../../src/host/xml.ts";

test("a document that is larger than any that describes something is refused at once", () => {
  const refused = expect.objectContaining({ code: "host", message: "XML of a domain: it is too large" });
  for (const inside of [`<!--${"x".repeat(50 * 1024 ** 2)}-->`, "<a/>".repeat(100_000), "<a>".repeat(100_000)])
    expect(() => parseXml(`<domain>${inside}</domain>`, "domain")).toThrow(refused);
  expect(parseXml(`<domain>${"<disk type='file'/>".repeat(1_000)}</domain>`, "domain").documentElement?.tagName).toBe(
    "domain",
  );
});

test("what is no XML, or is read in another way elsewhere, is refused in words for people", () => {
  const refused = (message: string) =>
    expect.objectContaining({ code: "host", message: `XML of a domain: ${message}` });
  for (const [text, why] of [
    ["", "missing root element"],
    ["<domain>&name;</domain>", "entity not found:&name;"],
    ["<domain/><domain/>", "Only one element can be added and only after doctype"],
    ["<domain>\0</domain>", "it holds characters that no XML may hold"],
    ["<domain name='&#x7;'/>", "it holds characters that no XML may hold"],
    ["<domain>&#x110000;</domain>", "it holds characters that no XML may hold"],
    ["<domain>\ud800</domain>", "it holds characters that no XML may hold"],
    ["<?xml version='1.0' encoding='ISO-8859-1'?><domain/>", 'its encoding is "ISO-8859-1", and only UTF-8 is read'],
  ] as const)
    expect(() => parseXml(text, "domain"), JSON.stringify(text)).toThrow(refused(why));
  for (const text of ["\ufeff<domain/>", "<?xml version='1.0' encoding='utf-8'?><domain/>", "<domain>&#10;\t</domain>"])
    expect(parseXml(text, "domain").documentElement?.tagName).toBe("domain");
});

test("a line ends where it does for libvirt, and nowhere else", () => {
  const text = "<domain a='x\u2028\u0085y&#13;&#10;z'>one\u2028\u0085two&#13;three\r\nfour\rfive</domain>";
  const document = parseXml(text, "domain");
  expect(document.documentElement?.getAttribute("a")).toBe("x\u2028\u0085y\r\nz");
  expect(document.documentElement?.textContent).toBe("one\u2028\u0085two\rthree\nfour\nfive");
  const written = serializeXml(document);
  expect(written).not.toContain("\r");
  const again = parseXml(written, "domain").documentElement;
  expect([again?.getAttribute("a"), again?.textContent]).toEqual([
    "x\u2028\u0085y\r\nz",
    "one\u2028\u0085two\rthree\nfour\nfive",
  ]);
});
