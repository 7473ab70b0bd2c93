import fc from "fast-check";
import { expect, test } from "vitest";
import { find, requireFree, requireName, whyNoName } from "../../../src/core/names.ts";
import { fakeIds } from "../../fake/clock.ts";

test("a name has 1 to 128 printable characters", () => {
  for (const name of [
    "a",
    "web1",
    "before upgrade",
    "Größe",
    "東京",
    "a.b_c-d:e@f",
    "x".repeat(128),
    "😀".repeat(61),
    "👨‍👩‍👧",
    "نمی‌خواهم",
    "vol-1",
    "snap-00000000000000001-old",
    "d41d8cd98f00b204e9800998ecf8427e",
  ]) {
    expect(requireName("instance", name)).toBe(name);
  }
  expect(requireName("image", "😀".repeat(128))).toHaveLength(256);
  for (const name of [
    "",
    "x".repeat(129),
    "a/b",
    "../etc",
    "..",
    ".",
    "-rf",
    "a\nb",
    "a\u0000",
    "\u001b[2J",
    " a",
    "a ",
    "a\u202eb",
    "a\u061cb",
    "\ufeffa",
    "\u200b",
    "\u2060\u3164 \u2800",
    "\ud800",
  ]) {
    expect(whyNoName(name), JSON.stringify(name)).not.toBeNull();
  }
});

test("a name is nothing by which something else may be found first", () => {
  const { next, uuid } = fakeIds("a");
  const prefixes = ["lay", "vol", "snap", "img", "bak", "sch", "op"] as const;
  for (const id of [uuid(), uuid().toUpperCase(), ...prefixes.map(next)])
    expect(() => requireName("volume", id), id).toThrow(
      expect.objectContaining({
        code: "usage",
        message: `volume name "${id}": it looks like an id, and would mean whatever has that`,
      }),
    );
});

test("an instance's name is one that the file system bears, since libvirt makes files of it", () => {
  expect(() => requireName("instance", "😀".repeat(62))).toThrow(/more than 247 bytes/);
});

test("a bad name is refused on one line that shows it harmlessly", () => {
  expect(() => requireName("volume", "a\nb")).toThrow(
    expect.objectContaining({ code: "usage", message: 'volume name "a\\nb": it holds a control character' }),
  );
});

test("whatever is accepted stays in its folder and on its line", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (name) => {
      if (whyNoName(name) !== null) return;
      expect(name).not.toMatch(/[/\n\r\0]/);
      expect([".", "..", ""]).not.toContain(name);
      expect(name.startsWith("-")).toBe(false);
    }),
  );
});

const things = [
  { id: "snap-1", name: "nightly", owner: "web1" },
  { id: "snap-2", name: "nightly", owner: "web2" },
  { id: "snap-3", name: "snap-1", owner: "web1" },
];
const lookup = {
  kind: "snapshot",
  items: things,
  id: (one: (typeof things)[number]) => one.id,
  name: (one: (typeof things)[number]) => one.name,
  paths: (one: (typeof things)[number]) => [`${one.owner}/${one.name}`],
};

test("a target is an id, a name or a path, in this order", () => {
  expect(find(lookup, "snap-2").owner).toBe("web2");
  expect(find(lookup, "snap-1").name).toBe("nightly");
  expect(find(lookup, "web1/snap-1").id).toBe("snap-3");
  expect(find(lookup, "web2/nightly").id).toBe("snap-2");
});

test("an ambiguous name lists the candidates", () => {
  expect(() => find(lookup, "nightly")).toThrow(
    expect.objectContaining({
      code: "not_found",
      message: "snapshot nightly: ambiguous: web1/nightly, web2/nightly",
    }),
  );
});

test("candidates that look alike are told apart by their ids", () => {
  const alike = { ...lookup, paths: () => ["x/y"] };
  expect(() => find(alike, "nightly")).toThrow("snap-1, snap-2");
});

test("what is not there is not found", () => {
  expect(() => find(lookup, "nix")).toThrow(expect.objectContaining({ code: "not_found" }));
  expect(() => find(lookup, "constructor")).toThrow("snapshot constructor: not found");
});

test("a taken name is a conflict", () => {
  expect(() => requireFree("flavor", "a", ["b", null, "a"])).toThrow(expect.objectContaining({ code: "conflict" }));
  expect(() => requireFree("flavor", "a", ["b", null])).not.toThrow();
});
