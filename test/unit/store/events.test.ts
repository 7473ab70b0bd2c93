import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { events } from "../../../src/store/events.ts";

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-events-"));
  file = join(folder, "events.jsonl");
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function log(rotatedAboveBytes?: number) {
  return events({ file, makeFolders: () => {}, ...(rotatedAboveBytes === undefined ? {} : { rotatedAboveBytes }) });
}

function event(target: string) {
  return { time: "2025-01-01T00:00:00.000Z", command: "c", operation: "o", target, result: "done", user: "u" };
}

describe("the log of operations", () => {
  it("is one line of JSON for each", async () => {
    await log().append(event("a\nb"));
    await log().append(event("c"));
    expect(
      readFileSync(file, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line).target),
    ).toEqual(["a\nb", "c"]);
  });

  it("is put aside when it has grown too big, and still listed", async () => {
    const small = log(300);
    for (const target of ["a", "b", "c", "d", "e"]) await small.append(event(target));
    expect(statSync(`${file}.1`).size).toBeGreaterThan(300);
    expect((await small.list()).map((one) => one.target)).toEqual(["a", "b", "c", "d", "e"]);
  });

  it("drops only what was put aside before", async () => {
    const small = log(300);
    for (let number = 0; number < 20; number += 1) await small.append(event(String(number)));
    const targets = (await small.list()).map((one) => Number(one.target));
    expect(targets.at(-1)).toBe(19);
    expect(targets).toEqual(targets.map((_, index) => (targets[0] ?? 0) + index));
  });

  it("loses no event when several grow it beyond the limit at once", async () => {
    const targets = ["a", "b", "c", "d", "e", "f"];
    await log(3000).append(event("x".repeat(4000)));
    await Promise.all(targets.map((target) => log(3000).append(event(target))));
    expect(
      (await log().list())
        .map((one) => one.target)
        .slice(1)
        .sort(),
    ).toEqual(targets);
  });

  it("loses one line and no more where a full disk cut it short", async () => {
    await log().append(event("a"));
    appendFileSync(file, '{"time":"2025');
    await log().append(event("b"));
    expect((await log().list()).map((one) => one.target)).toEqual(["a", "b"]);
  });
});
