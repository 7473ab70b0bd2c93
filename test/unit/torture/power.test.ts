/** What a model of a disk keeps when the power goes: what was synced, and a prefix of the rest. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Disk } from "../../torture/power/disk.ts";
import { play } from "../../torture/power/play.ts";
import { restore } from "../../torture/power/restore.ts";
import { callsIn } from "../../torture/power/trace.ts";

const hex = (text: string) => [...Buffer.from(text)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");

let folder: string;
let copy: string;
beforeEach(() => {
  const scratch = mkdtempSync(join(tmpdir(), "estrato-power-"));
  folder = join(scratch, "store");
  copy = join(scratch, "before");
  for (const each of [folder, copy]) {
    mkdirSync(each);
    writeFileSync(join(each, "state"), "old");
  }
});
afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

const file = (name: string) => join(folder, name);
const path = (name: string) => `"${hex(file(name))}"`;
const fd = (name: string) => `3<${hex(file(name))}>`;
const created = (name: string) =>
  `7 openat(AT_FDCWD<\\x2f>, ${path(name)}, O_WRONLY|O_CREAT|O_EXCL, 0600) = ${fd(name)}`;
const wrote = (name: string, text: string) => `7 write(${fd(name)}, "${hex(text)}", ${text.length}) = ${text.length}`;
const renamed = () => `7 rename(${path("next")}, ${path("state")}) = 0`;
const synced = (name: string) => `7 fsync(${fd(name)}) = 0`;
const syncedFolder = () => `8 fsync(4<${hex(folder)}>) = 0`;

/** Each process has a log of its own; a millisecond lies between two calls. */
function logs(lines: readonly string[]): string[] {
  const timed = lines.map((line, index) => line.replace(" ", ` 1800000000.00${index}000 `));
  return ["7", "8"].map((process) => timed.filter((line) => line.startsWith(process)).join("\n"));
}

/** What is read after the cut; the calls were really made, as far as the folder shows it. */
function after(lines: readonly string[], upTo = 0): string | null {
  writeFileSync(file("state"), "new");
  const disk = new Disk(folder, copy);
  play(disk, callsIn(logs(lines)));
  disk.cut(upTo);
  restore(disk, folder);
  return existsSync(file("state")) ? readFileSync(file("state"), "utf8") : null;
}

test("a file that was written, synced, renamed, and its folder synced, is the new one", () => {
  expect(after([created("next"), wrote("next", "new"), synced("next"), renamed(), syncedFolder()])).toBe("new");
});

test("without a sync of the folder it is the old one, or the new one where the cut came later", () => {
  const lines = [created("next"), wrote("next", "new"), synced("next"), renamed()];
  expect(after(lines)).toBe("old");
  expect(after(lines, 99)).toBe("new");
});

test("a name that was synced before its content leads to an empty file", () => {
  expect(after([created("next"), wrote("next", "new"), renamed(), syncedFolder()])).toBe("");
});

test("a file whose removal was not synced is back", () => {
  const lines = [`7 unlink(${path("state")}) = 0`];
  expect(after(lines)).toBe("old");
  expect(after([...lines, syncedFolder()])).toBe(null);
});

test("a call that was cut in two counts when it ended, one that failed never", () => {
  const [begun, ended] = [`7 unlink(${path("state")} <unfinished ...>`, "7 <... unlink resumed>) = 0"];
  expect(after([begun, syncedFolder(), ended])).toBe("old");
  expect(after([begun, ended, syncedFolder()])).toBe(null);
  expect(after([`7 unlink(${path("state")}) = -1 ENOENT (No such file)`, syncedFolder()])).toBe("old");
});
