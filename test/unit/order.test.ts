/** Orders that are the same on each host. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compareAges, compareNames, compareTexts } from "../../src/order.ts";

test("names are ordered whatever their case, and what differs by case alone by its units", () => {
  const names = ["web10", "Web1", "db", "web1", "_a", "web-1", "web.1", "Zoe", "ámbar"];
  const sorted = ["_a", "db", "web-1", "web.1", "Web1", "web1", "web10", "Zoe", "ámbar"];
  expect(names.toSorted(compareNames)).toEqual(sorted);
  expect(names.toReversed().toSorted(compareNames)).toEqual(sorted);
  expect(compareNames("a", "a")).toBe(0);
});

test("texts by their units", () => {
  expect(["b", "B", "a", ""].toSorted(compareTexts)).toEqual(["", "B", "a", "b"]);
});

test("what is as old as another by its id", () => {
  const [a, b, c] = [
    { createdAt: "2026-01-02", id: "a" },
    { createdAt: "2026-01-01", id: "c" },
    { createdAt: "2026-01-01", id: "b" },
  ];
  expect([a, b, c].toSorted(compareAges)).toEqual([c, b, a]);
});

test("nobody asks for the order of a language: its tables would be loaded", () => {
  const source = join(import.meta.dirname, "../../src");
  const names = readdirSync(source, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  expect(names.length).toBeGreaterThan(600);
  const asking = names.filter((name) => /localeCompare|Intl\.Collator/.test(readFileSync(join(source, name), "utf8")));
  expect(asking).toEqual([]);
});
