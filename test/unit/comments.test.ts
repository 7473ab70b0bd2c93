import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const WIDTH = 120;
const ROOTS = ["src", "test", "bin", "packaging"];

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name === "guest" || entry.isSymbolicLink()) return [];
    const path = join(folder, entry.name);
    return entry.isDirectory() ? filesIn(path) : [path];
  });
}

/** Is this line a comment, or has it one behind its code? A text in quotes is none. */
function isComment(path: string, line: string): boolean {
  if (!/\.(ts|mjs)$/.test(path)) return /^\s*#/.test(line);
  return /^\s*(\/\*|\*|\/\/)/.test(line) || /[;,{}()[\]>] \/\/ [^"'`]*$/.test(line);
}

test("comments fit the page", () => {
  const files = [...ROOTS.flatMap(filesIn), "build.mjs", "licences.mjs", "pack.mjs", "vitest.config.ts"].filter(
    (path) => /\.(ts|mjs|sh)$/.test(path) || path.startsWith("bin/"),
  );
  expect(files.length).toBeGreaterThan(500);
  const long = files.flatMap((path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line, at) =>
        line.length > WIDTH && isComment(path, line) && !line.includes("biome-ignore") ? [`${path}:${at + 1}`] : [],
      ),
  );
  expect(long).toEqual([]);
});
