/** A folder that is discarded with its files, and nothing else. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { discardFolder } from "../../../src/host/folders.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-folders-"));
afterAll(() => rmSync(folder, { recursive: true }));

function filled(name: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  for (const file of ["one", ".two"]) writeFileSync(join(path, file), "");
  return path;
}

test("goes with all files in it; where it is not there, nothing does", async () => {
  const path = filled("own");
  symlinkSync(filled("linked"), join(path, "link"));
  await discardFolder(path);
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(join(folder, "linked"))).toEqual([".two", "one"]);
  await discardFolder(path);
  await discardFolder(join(folder, "linked", "one", "none"));
});

test("a link that somebody has put in its place goes alone, and nothing that it leads to", async () => {
  const others = filled("others");
  const path = join(folder, "bak.part");
  symlinkSync(others, path);
  await discardFolder(path);
  expect(existsSync(path)).toBe(false);
  expect(readdirSync(others)).toEqual([".two", "one"]);
});

test("with a folder in it stays as it is, and is called by its name", async () => {
  const path = filled("deep");
  mkdirSync(join(path, "inner"));
  await expect(discardFolder(path)).rejects.toMatchObject({
    code: "conflict",
    message: `${path}: there is a folder in it (inner)`,
  });
  expect(readdirSync(path)).toEqual([".two", "inner", "one"]);
});
