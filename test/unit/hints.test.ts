/** A failure says what to do next: its own hint, or the one that every error of its kind has. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type ErrorCode, EstratoError } from "../../src/errors.ts";
import { EXIT_CODES, errorJson, errorLine } from "../../src/ui/errors.ts";

/** Kinds that need none of themselves, and why. */
const WITHOUT: Partial<Record<ErrorCode, string>> = {
  usage: "the message is the line that was typed, and what is wrong with it",
  partial: "each failure was told by itself",
  timeout: "what goes on may end well; who waits knows for how long",
  needs_yes: "the question says it",
  interrupted: "a person did it",
  unreachable: "ssh has said why",
};

test("every kind of error has a next command, or a reason why none", () => {
  const codes = Object.keys(EXIT_CODES) as ErrorCode[];
  const silent = codes.filter((code) => errorLine(new EstratoError(code, "x: y")) === "estrato: x: y.\n");
  expect(silent.sort()).toEqual(Object.keys(WITHOUT).sort());
  expect(errorJson(new EstratoError("integrity", "x: y"), "estrato x", 9)).toContain("estrato doctor");
});

test("an own hint goes before that of the kind, and what sums up other errors has none", () => {
  const gone = new EstratoError("not_found", "volume x: not found", { hint: "Make it." });
  expect(errorLine(gone)).toBe("estrato: volume x: not found. Make it.\n");
  expect(errorLine(new EstratoError("not_found", "2 of 2 volumes failed to delete", { cause: gone }))).toBe(
    "estrato: 2 of 2 volumes failed to delete.\n",
  );
});

/** What is refused before anything is done can say more than its kind. */
const OWN = /new EstratoError\(\s*"(?:not_found|conflict|host|integrity)"/g;
/** The check of an answer at a terminal: the question stands there. */
const ASKED = /-guide\.ts$/;

test("what a verb refuses itself has a hint of its own", () => {
  const folder = "src/commands";
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const found = files.flatMap((name) => {
    const text = readFileSync(join(folder, name), "utf8");
    return [...text.matchAll(OWN)].map(({ index }) => ({ name, call: callAt(text, index) }));
  });
  expect(found.length).toBeGreaterThan(10);
  const bare = found.filter(({ name, call }) => !/\bhint\b/.test(call) && !ASKED.test(name));
  expect(bare.map(({ name, call }) => `${name}: ${call}`)).toEqual([]);
});

/** From here to the parenthesis that closes what is opened first. */
function callAt(text: string, from: number): string {
  let depth = 0;
  for (let at = text.indexOf("(", from); at < text.length; at += 1) {
    if (text[at] === "(") depth += 1;
    if (text[at] === ")") depth -= 1;
    if (depth === 0) return text.slice(from, at + 1);
  }
  return text.slice(from);
}
