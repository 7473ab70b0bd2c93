/** Inputs that were good once, changed in a few places: what is only random does not come past the first check. */
import fc from "fast-check";

/** Would be there if anybody asked a shell, or took XML from an input. */
export const CANARY = "estrato-fuzz-canary";

/** Texts that have undone programs before. */
export const NASTY = [
  ...["", " ", "\t", "\n", "\r\n", "\0", "\x1b[2J", "\x07", "\u202e", "\u2028", "\ufeff", "\ud800", "\udfff", "\ufffe"],
  ...["'", '"', "`", "\\", ";", "&", "|", "<", ">", "$", "*", "?", "%s%n", "--", "-", "/", "//", "..", "../..", "."],
  ...[
    `$(touch /tmp/${CANARY})`,
    `\`touch /tmp/${CANARY}\``,
    `';touch /tmp/${CANARY};'`,
    `<${CANARY}/>`,
    `"/><${CANARY} a="`,
  ],
  ...[
    `]]><${CANARY}/>`,
    `&lt;${CANARY}/&gt;`,
    `--><${CANARY}/>`,
    "&amp;",
    "&a;",
    "&#0;",
    "&#x1b;",
    "&#xD800;",
    "<![CDATA[",
  ],
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "length", "null", "undefined", "NaN", "Infinity"],
  ...[
    "0",
    "-1",
    "1e400",
    "9007199254740993",
    "18446744073709551615",
    "99999999999999999999",
    "0x10",
    "1e3",
    "1.5",
    "٣",
  ],
  ...[
    "/proc/self/fd/0",
    "/dev/zero",
    "/etc/passwd",
    "nbd://h/x",
    "json:{}",
    'json:{"file":{"filename":"/etc/shadow"}}',
  ],
  ...[
    "é".normalize("NFD"),
    "é",
    "👩‍👩‍👧‍👦",
    "ﷺ",
    "İ",
    "ß",
    "%00",
    "%2e%2e%2f",
    "2025-02-30T00:00:00Z",
    "1970-01-01T00:00:00.000Z",
  ],
  ...["[", "{", "(".repeat(2000), "[".repeat(5000), "a".repeat(70_000), "<a>".repeat(300)],
] as const;

export const nastyText: fc.Arbitrary<string> = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...NASTY) },
  { weight: 2, arbitrary: fc.string({ maxLength: 20 }) },
  { weight: 2, arbitrary: fc.string({ unit: "binary", maxLength: 20 }) },
);

/** A place in what is changed: from 0 up to, not including, 1. */
const place = fc.nat({ max: 999_999 }).map((number) => number / 1_000_000);

const textEdit = fc.record({
  what: fc.constantFrom("insert", "replace", "delete", "double", "end", "many"),
  at: place,
  length: fc.oneof(fc.nat({ max: 8 }), fc.nat({ max: 200 })),
  text: nastyText,
});

function editText(
  text: string,
  { what, at, length, text: other }: typeof textEdit extends fc.Arbitrary<infer E> ? E : never,
) {
  const from = Math.floor(at * (text.length + 1));
  const [before, piece, after] = [text.slice(0, from), text.slice(from, from + length), text.slice(from + length)];
  if (what === "insert") return before + other + piece + after;
  if (what === "replace") return before + other + after;
  if (what === "delete") return before + after;
  if (what === "double") return before + piece + piece + after;
  if (what === "many") return before + piece.repeat(Math.min(200, 1 + Math.floor(20_000 / (piece.length + 1)))) + after;
  return before;
}

/** One of these texts, changed in up to `most` places. */
export function mutatedText(seeds: readonly string[], most = 6): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(textEdit, { minLength: 1, maxLength: most }))
    .map(([seed, edits]) => edits.reduce(editText, seed));
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const nastyJson: fc.Arbitrary<Json> = fc.oneof(
  { weight: 4, arbitrary: nastyText },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Json>(
      null,
      true,
      false,
      0,
      -1,
      1.5,
      2 ** 31,
      2 ** 53,
      2 ** 64,
      1e308,
      [],
      {},
      [null],
      [[]],
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom<Json>({ length: 3 }, [[], {}], { "": "" }) },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<Json> },
);

const jsonEdit = fc.record({
  way: fc.array(place, { minLength: 1, maxLength: 8 }),
  what: fc.constantFrom("set", "set", "set", "delete", "add", "nest", "move"),
  value: nastyJson,
});

type JsonEdit = typeof jsonEdit extends fc.Arbitrary<infer E> ? E : never;

/** Walks down by `way`, and changes what it finds where that ends. */
function editJson(value: Json, { way, what, value: other }: JsonEdit): Json {
  const [at, ...rest] = way;
  if (at === undefined || typeof value !== "object" || value === null) return what === "nest" ? [[[value]]] : other;
  const keys = Object.keys(value);
  const key = keys[Math.floor(at * keys.length)];
  if (key === undefined) return other;
  const made = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, Json>;
  const inner = made[key] as Json;
  if (rest.length > 0 && typeof inner === "object" && inner !== null)
    made[key] = editJson(inner, { way: rest, what, value: other });
  else if (what === "delete" && !Array.isArray(made)) delete made[key];
  else if (what === "add" && Array.isArray(made)) made.push(inner);
  else if (what === "add") Object.defineProperty(made, String(other).slice(0, 50), { value: inner, enumerable: true });
  else if (what === "move") made[keys[(keys.indexOf(key) + 1) % keys.length] ?? key] = inner;
  else made[key] = what === "nest" ? [inner] : other;
  return made as Json;
}

/** One of these values, changed in up to `most` places. */
export function mutatedJson(seeds: readonly Json[], most = 4): fc.Arbitrary<Json> {
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(jsonEdit, { minLength: 1, maxLength: most }))
    .map(([seed, edits]) => edits.reduce(editJson, seed));
}

/** The text of such a value, which may be no JSON any more. */
export function mutatedJsonText(seeds: readonly Json[], most = 4): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 5, arbitrary: mutatedJson(seeds, most).map((value) => JSON.stringify(value)) },
    {
      weight: 1,
      arbitrary: mutatedText(
        seeds.map((seed) => JSON.stringify(seed, null, 1)),
        most,
      ),
    },
  );
}

/** Numbers at the edges of what fields of a header hold. */
const edges = fc.oneof(
  fc.constantFrom(
    0n,
    1n,
    2n,
    3n,
    8n,
    9n,
    21n,
    31n,
    63n,
    64n,
    512n,
    65535n,
    65536n,
    2n ** 21n,
    2n ** 31n,
    2n ** 32n - 1n,
  ),
  fc.constantFrom(2n ** 46n, 2n ** 53n, 2n ** 55n, 2n ** 56n, 2n ** 62n, 2n ** 63n, 2n ** 63n + 65536n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 20n }),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

/** `at`: where fields lie, so that more than luck hits them. */
export function mutatedBytes(seeds: readonly Buffer[], fields: readonly number[], most = 6): fc.Arbitrary<Buffer> {
  const edit = fc.record({
    field: fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...fields) }, { weight: 1, arbitrary: fc.constant(-1) }),
    at: place,
    width: fc.constantFrom(1, 2, 4, 8),
    value: edges,
    text: fc.option(nastyText, { freq: 6 }),
  });
  const cut = fc.option(place, { freq: 12 });
  return fc
    .tuple(fc.constantFrom(...seeds), fc.array(edit, { minLength: 1, maxLength: most }), cut)
    .map(([seed, edits, end]) => {
      const bytes = Buffer.from(seed);
      for (const { field, at, width, value, text } of edits) {
        const offset = field < 0 ? Math.floor(at * bytes.length) : field;
        const piece = text === null ? bigEndian(value, width) : Buffer.from(text);
        if (offset < bytes.length) piece.copy(bytes, offset);
      }
      return end === null ? bytes : bytes.subarray(0, Math.floor(end * bytes.length));
    });
}

function bigEndian(value: bigint, width: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt.asUintN(8 * width, value));
  return bytes.subarray(8 - width);
}
