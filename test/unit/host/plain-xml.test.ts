/** What is read without the parser is what the parser reads. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type ReadElement, readPlain } from "../../../src/host/plain-xml.ts";
import { type Element, parseXml, readXml } from "../../../src/host/xml.ts";
import { DEFINITIONS } from "../../torture/fuzz/definitions.ts";
import { mutatedText } from "../../torture/fuzz/mutate.ts";

/** Names, attributes and texts, in order. */
function treeOf(element: ReadElement): unknown {
  const attributes =
    "attributes" in element && element.attributes instanceof Map
      ? [...element.attributes]
      : Array.from((element as Element).attributes, ({ name, value }) => [name, value]);
  const parts: unknown[] = [];
  for (const node of Array.from(element.childNodes as ArrayLike<ReadElement>)) {
    if (node.nodeType === 1) parts.push(treeOf(node));
    else if (node.nodeType === 3) {
      if (typeof parts.at(-1) === "string") parts.push(`${parts.pop()}${node.textContent}`);
      else parts.push(node.textContent);
    }
  }
  return [element.tagName, element.namespaceURI || null, attributes, parts];
}

/** As the parser has it; null where it refuses the text. */
function parsed(text: string): unknown {
  const root = /<([\w:.-]+)/.exec(text.replace(/<!--[\s\S]*?-->/g, ""))?.[1] ?? "domain";
  try {
    return treeOf(parseXml(text, root).documentElement as Element);
  } catch {
    return null;
  }
}

const BITS = [
  "<a>",
  "</a>",
  "<b c='1'/>",
  "<b c=\"&lt;'\" c='2'/>",
  "x & y",
  "&amp;",
  "&#65;",
  "&#x9;",
  "&#10;",
  "&no;",
];
const MORE = ["]]>", "<!-- - -->", "<!-- -- -->", "<![CDATA[x]]>", "<?p x?>", "\t", "\r\n", "é", "\u0085", "<q:a/>"];
const NAMESPACES = ["<c xmlns='v'><d/><q:d xmlns:q='w'/><d xmlns=''/></c>", "<xml:a/>"];
const LAST = ["<c xmlns:q='u'><q:a q:b='1'/></c>", "<a\n  b = '1'/>", "<a b='\t'/>", "<a b='>'/>", "<a b=c/>", "< a/>"];
const pieces = fc.array(fc.constantFrom(...BITS, ...MORE, ...NAMESPACES, ...LAST), { maxLength: 8 });
const texts = fc.oneof(
  mutatedText(DEFINITIONS),
  pieces.map((all) => `<domain>${all.join("")}</domain>`),
  pieces.map((all) => all.join("")),
);

test("what libvirt writes is read without the parser, and as it reads it", () => {
  for (const text of DEFINITIONS) {
    const plain = readPlain(text);
    expect(plain).not.toBeNull();
    expect(treeOf(plain as ReadElement)).toEqual(parsed(text));
  }
});

test("whatever else stands there is the parser's to read, or to refuse", () => {
  let [read, left] = [0, 0];
  fc.assert(
    fc.property(texts, (text) => {
      const plain = readPlain(text);
      if (plain === null) left += 1;
      else {
        read += 1;
        expect(treeOf(plain)).toEqual(parsed(text));
      }
    }),
    { numRuns: 1_000, seed: 12 },
  );
  expect(Math.min(read, left)).toBeGreaterThan(50);
});

test("another root is refused as the parser does it", () => {
  expect(() => readXml("<network/>", "domain")).toThrow("XML of a domain: the root is not <domain>");
  expect(() => readXml("<domain><a></domain>", "domain")).toThrow("XML of a domain: ");
});
