/**
 * A power cut takes nothing of what was said to be stored: content before its name, and the name before anybody hears
 * of it.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { bundleProgram } from "./processes.ts";
import { changesBelow, syncedBy } from "./strace.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-durable-"));
afterAll(() => rmSync(folder, { recursive: true }));

const { NODE_EXTRA_CA_CERTS: _, ...env } = process.env;

test("each write of the store is on the disk, its content before its name", async () => {
  const program = await bundleProgram(folder);
  const home = join(folder, "home");
  const changes = changesBelow(home, [process.execPath, program, home, "once"], env);
  // Records of things are written by several threads at once, of which strace tells less: all of them, then their
  // header.
  const things = changes.filter(({ path }) => path.startsWith("things/")).map(({ path }) => path);
  expect(things.at(-1)).toBe("things/store.json");
  const ours = changes.filter(({ path }) => !path.startsWith("things/"));
  expect(ours.map(({ kind, path }) => `${kind} ${path}`)).toEqual([
    "replaced journal/op-00000000000000001.json",
    "replaced state.json",
    "replaced records/one.xml",
    "removed records/one.xml",
    "removed journal/op-00000000000000001.json",
  ]);
  expect(ours.filter(({ content, name }) => !content || !name)).toEqual([]);
});

test("each folder that is made above a store is a name in the one above it, which is synced too", async () => {
  const program = await bundleProgram(folder);
  const synced = syncedBy([process.execPath, program, join(folder, "share/deeper/store"), "once"], env);
  const above = [folder, join(folder, "share"), join(folder, "share/deeper")];
  expect(synced.filter((path) => above.includes(path)).sort()).toEqual(above);
});
