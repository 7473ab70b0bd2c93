/** A deletion that was cut off, and of which no journal knows any more. */
import { expect, test } from "vitest";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { restoreVolume } from "../../../../src/core/backups/restore-to.ts";
import { verifyAll } from "../../../../src/core/backups/verify.ts";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import type { Action } from "../../../../src/core/model/action.ts";
import { fakeIds } from "../../../fake/clock.ts";
import { Crash, fakeDisk } from "../../../fake/store.ts";
import { type Bed, backupsOf, command, TARGET, write } from "../world.ts";
import { night, withTarget } from "./world.ts";

const KEY = "/key";

/** FULL ← I1 ← I2, of which the first was being deleted when it was killed there; its entry is lost, if not kept. */
async function cutOff(
  at: Action["do"],
  when: "before" | "midway" | "after",
  passphraseFile: string | null = null,
  kept?: "journal",
) {
  const on = await withTarget();
  command(on).host.addFile(KEY, { format: "raw", text: "sesame\n" });
  for (const word of ["one", "two", "three"]) {
    write(on, 2, word);
    await night(on, { passphraseFile });
  }
  const [first = "", ...others] = backupsOf(on);
  const dying = command(on);
  dying.host.crashAtNext(at, when);
  await expect(deleteBackup(dying, [TARGET], first, passphraseFile)).rejects.toThrow(Crash);
  dying.store.crash();
  if (kept === undefined) on.disk.journal.clear();
  return { on, first, others };
}

/** Another store on the same machine. */
function anotherOn({ machine, clock, disk }: Bed): Bed {
  const ids = fakeIds();
  return {
    machine,
    clock,
    disk: { ...fakeDisk(), fileLocks: disk.fileLocks },
    ids: { ...ids, uuid: () => ids.uuid().replace("-4000-", "-4eee-") },
  };
}

const statuses = async (on: Bed) => (await listBackups(command(on), [TARGET])).map(({ status }) => status);

const points = [
  ["commit", "before"],
  ["commit", "midway"],
  ["commit", "after"],
  ["move-file", "before"],
  ["move-file", "after"],
  ["discard-folder", "before"],
] as const;

test.each(points)("is ended by doctor --repair, wherever it was: killed at %s, %s", async (at, when) => {
  const { on, first } = await cutOff(at, when);
  expect((await examine(command(on))).map(({ subject }) => subject)).toEqual([`backup ${first}`]);
  expect((await repair(command(on))).map(({ result }) => result)).toEqual(["mended"]);
  expect(await examine(command(on))).toEqual([]);
  expect(backupsOf(on)).not.toContain(first);
  expect(await statuses(on)).toEqual(["available", "available"]);
  expect((await verifyAll(command(on), TARGET)).map(({ status }) => status)).toEqual(["ok", "ok"]);
});

test("is another store's affair, until a person ends it there; a refusal to restore names the line", async () => {
  const { on, first, others } = await cutOff("commit", "midway");
  const other = anotherOn(on);
  const [id = ""] = others;
  await expect(
    restoreVolume(command(other), { targets: [TARGET], backup: id, disks: [], passphraseFile: null }, "v"),
  ).rejects.toMatchObject({
    code: "integrity",
    hint: expect.stringContaining(`estrato backup delete ${first} --target`),
  });
  expect(await examine(command(other))).toEqual([]);
  await deleteBackup(command(other), [TARGET], first, null);
  expect(await statuses(on)).toEqual(["available", "available"]);
  expect((await verifyAll(command(other), TARGET)).map(({ status }) => status)).toEqual(["ok", "ok"]);
});

test("of encrypted ones is told with the line that ends it, which needs the passphrase", async () => {
  const { on, first } = await cutOff("commit", "midway", KEY);
  const found = (await repair(command(on))).find(({ result }) => result === "left");
  expect(found?.subject).toBe(`backup ${first}`);
  expect(found?.remedy).toContain(`estrato backup delete ${first} --target ${TARGET} --passphrase-file FILE`);
  await expect(deleteBackup(command(on), [TARGET], first, null)).rejects.toMatchObject({ code: "usage" });
  expect(await statuses(on)).toEqual(["merging", "merging"]);
  await deleteBackup(command(on), [TARGET], first, KEY);
  expect(await statuses(on)).toEqual(["available", "available"]);
  expect(on.machine.secrets.size).toBe(0);
  expect(await examine(command(on))).toEqual([]);
});

test("with another passphrase than theirs is ended with the right one, by this store and by none with a wrong one", async () => {
  const { on, first } = await cutOff("commit", "before", KEY, "journal");
  for (const id of on.machine.secrets.keys()) on.machine.secrets.set(id, { description: "", value: "mistyped" });
  command(on).host.addFile("/wrong", { format: "raw", text: "mistyped\n" });
  const stuck = command(on);
  await expect(night(on, { passphraseFile: KEY })).rejects.toMatchObject({
    code: "host",
    hint: expect.stringContaining(`estrato backup delete ${first} --target ${TARGET} --passphrase-file FILE`),
  });
  await expect(deleteBackup(stuck, [TARGET], first, "/wrong")).rejects.toMatchObject({ code: "host" });
  await expect(deleteBackup(command(on, { dryRun: true }), [TARGET], first, "/wrong")).rejects.toMatchObject({
    code: "host",
  });
  expect(on.disk.journal.size).toBe(1);
  expect(await deleteBackup(command(on), [TARGET], first, KEY)).toBeNull();
  expect(await statuses(on)).toEqual(["available", "available"]);
  expect((await verifyAll(command(on), TARGET)).map(({ status }) => status)).toEqual(["ok", "ok"]);
  expect(on.machine.secrets.size).toBe(0);
  expect(await examine(command(on))).toEqual([]);
});

test("without a journal is not begun with another passphrase than theirs: no entry is left that nobody could end", async () => {
  const { on, first } = await cutOff("commit", "midway", KEY);
  command(on).host.addFile("/wrong", { format: "raw", text: "mistyped\n" });
  for (const dryRun of [true, false]) {
    const refused = deleteBackup(command(on, { dryRun }), [TARGET], first, "/wrong");
    await expect(refused).rejects.toMatchObject({ code: "host" });
  }
  expect(on.disk.journal.size).toBe(0);
  await deleteBackup(command(on), [TARGET], first, KEY);
  expect(await statuses(on)).toEqual(["available", "available"]);
});
