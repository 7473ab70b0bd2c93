import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { copyFile, namingFile } from "../../../src/host/files.ts";
import { writeWhole } from "../../../src/host/folders.ts";
import { hiddenFiles, temporaryName } from "../../../src/host/temporary-files.ts";
import { answerOf } from "../../../src/system-answer.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const make = (name: string): void => writeFileSync(join(folder, name), "");

test("what is being written is told from what a process that is no more has left", async () => {
  writeFileSync(temporaryName(join(folder, "lay.qcow2")), "");
  const [own = ""] = readdirSync(folder);
  const { pid } = spawnSync("true");
  make(own.replace(String(process.pid), String(pid)));
  // The same number, given to another process.
  make(own.replace(/-\d+-/, "-1-"));
  make("visible");
  const found = await hiddenFiles(folder);
  expect(found.filter(({ writer }) => writer === "living")).toEqual([{ path: join(folder, own), writer: "living" }]);
  expect(found.filter(({ writer }) => writer === "dead")).toHaveLength(2);
  expect(found).toHaveLength(3);
});

test("a download, and what is known of it, is kept for a day after its last byte", async () => {
  const [young, old] = ["a", "b"].map((digit) => `.${digit.repeat(32)}.download`) as [string, string];
  for (const name of [young, old]) for (const ending of ["", ".json", ".heads"]) make(name + ending);
  utimesSync(join(folder, `${young}.json`), 1, 1);
  utimesSync(join(folder, old), 1, 1);
  const writers = (await hiddenFiles(folder)).map(({ writer }) => writer);
  expect(writers).toEqual(["kept", "kept", "kept", "expired", "expired", "expired"]);
});

test("a name that says nothing of its writer is left to stand for an hour, and another's for good", async () => {
  const old = `.${"a".repeat(12)}.part`;
  for (const name of [old, `.${"b".repeat(12)}.part`, ".nfs0001"]) make(name);
  utimesSync(join(folder, old), 1, 1);
  const writers = Object.fromEntries((await hiddenFiles(folder)).map(({ path, writer }) => [path.slice(-9), writer]));
  expect(writers).toEqual({ "aaaa.part": "dead", "bbbb.part": "living", "/.nfs0001": "unknown" });
  expect(await hiddenFiles(join(folder, "nowhere"))).toEqual([]);
});

test("what the system answers while a file is written names the file, and no hidden one", async () => {
  const place = join(folder, "in-the-way");
  mkdirSync(place);
  const said = { path: place, dest: undefined };
  await expect(writeWhole(place, "text")).rejects.toMatchObject(said);
  make("source");
  await expect(copyFile(join(folder, "source"), place, 0o600)).rejects.toMatchObject(said);
  const full = await open("/dev/full", "w");
  const error = await full.writeFile("text").catch((one: unknown) => one);
  await full.close();
  expect(answerOf(namingFile(error, temporaryName(place), place))?.message).toBe(
    `${place}: no space left on the file system (write)`,
  );
  const ours = Object.assign(new Error("EIO"), { code: "EIO", syscall: "read" });
  expect(namingFile(ours, "hidden", place)).not.toHaveProperty("path");
});
