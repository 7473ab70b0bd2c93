/** A folder that is gone when the call is, whatever came to be in it. */
import { existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withFolder } from "../../../src/host/own-folder.ts";

test.each([
  ["nothing", () => undefined],
  ["a file", (folder: string) => writeFileSync(join(folder, "document.xml"), "")],
  [
    "a folder with a file",
    (folder: string) => {
      mkdirSync(join(folder, "keys"));
      writeFileSync(join(folder, "keys", "one"), "");
    },
  ],
])("is gone afterwards with %s in it, also where its use failed", async (_, put) => {
  const folders: string[] = [];
  const use = async (folder: string) => {
    folders.push(folder);
    put(folder);
    return statSync(folder).mode & 0o777;
  };
  expect(await withFolder(use)).toBe(0o700);
  const failing = async (folder: string) => {
    await use(folder);
    throw new Error("refused");
  };
  await expect(withFolder(failing)).rejects.toThrow("refused");
  expect(folders).toHaveLength(2);
  for (const folder of folders) expect(existsSync(folder)).toBe(false);
});
