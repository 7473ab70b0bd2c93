/** A merge has no way back once it is begun: what would stop it refuses it before. */
import { expect, test } from "vitest";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { verifyAll } from "../../../../src/core/backups/verify.ts";
import { type Bed, backupsOf, command, everything, TARGET, write } from "../world.ts";
import { backup, night, withTarget } from "./world.ts";

const [KEY, WRONG] = ["/key", "/wrong"];

/** A full one and one on it. */
async function withTwo(passphraseFile: string | null = null): Promise<{ on: Bed; full: string; above: string }> {
  const on = await withTarget();
  command(on).host.addFile(KEY, { format: "raw", text: "sesame\n" });
  command(on).host.addFile(WRONG, { format: "raw", text: "mistyped\n" });
  for (const word of ["one", "two"]) {
    write(on, 2, word);
    await night(on, { passphraseFile });
  }
  const [full = "", above = ""] = backupsOf(on);
  return { on, full, above };
}

const statuses = async (on: Bed) => (await listBackups(command(on), [TARGET])).map(({ status }) => status);

test("with a passphrase that does not open them, a merge changes nothing, and a dry run says the same", async () => {
  const { on, full } = await withTwo(KEY);
  const before = everything(on);
  for (const dryRun of [true, false]) {
    await expect(deleteBackup(command(on, { dryRun }), [TARGET], full, WRONG)).rejects.toMatchObject({ code: "host" });
    expect(everything(on)).toBe(before);
  }
  await deleteBackup(command(on), [TARGET], full, KEY);
  expect(await statuses(on)).toEqual(["available"]);
  expect(on.machine.secrets.size).toBe(0);
});

test("rotation keeps what the passphrase of today does not open, and a note says so", async () => {
  const { on, full, above } = await withTwo(KEY);
  write(on, 2, "three");
  const how = { passphraseFile: WRONG, incremental: false };
  const planned = command(on, { dryRun: true });
  expect(await backup(planned, how, 2)).toMatchObject({
    notes: expect.arrayContaining([expect.stringMatching(`Backup ${full} will be kept this time: the passphrase in`)]),
  });
  const world = command(on);
  expect(await backup(world, how, 2)).toMatchObject({ removed: [] });
  expect(world.notes).toContain(
    `backup ${full}: kept this time, the passphrase in ${WRONG} does not open what builds on it`,
  );
  expect(backupsOf(on)).toHaveLength(3);
  expect(await statuses(on)).toEqual(["available", "available", "available"]);
  await deleteBackup(command(on), [TARGET], full, KEY);
  expect(backupsOf(on)[0]).toBe(above);
});

const disk = (id: string) => `${TARGET}/${id}/vda.qcow2`;

/** All but what is remembered of it. */
function rest(on: Bed): string {
  const { machine } = on;
  const files = new Map([...machine.files].filter(([path]) => !path.endsWith("/damaged.json")));
  return everything({ ...on, machine: { ...machine, files } });
}

test.each(["full", "above"] as const)(
  "damage that nobody has found yet gets no new checksums: in %s",
  async (where) => {
    const two = await withTwo();
    const { on, full, above } = two;
    const spoilt = two[where];
    on.machine.files.get(disk(spoilt))?.clusters.set(2, "rot");
    const before = rest(on);
    await expect(deleteBackup(command(on), [TARGET], full, null)).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringContaining(`${disk(spoilt)}: changed between byte 0 and`),
      hint: `Delete ${above} first.`,
    });
    expect(rest(on)).toBe(before);
    expect(on.machine.files.has(`${TARGET}/${spoilt}/damaged.json`)).toBe(true);
    expect(await statuses(on)).toEqual(where === "full" ? ["damaged", "damaged"] : ["available", "damaged"]);
    expect((await verifyAll(command(on), TARGET)).some(({ status }) => status === "damaged")).toBe(true);
    await expect(deleteBackup(command(on, { dryRun: true }), [TARGET], full, null)).rejects.toMatchObject({
      code: "integrity",
    });
  },
);

test("rotation keeps what would be merged with damage, and what that builds on; the night does not fail", async () => {
  const { on, full, above } = await withTwo();
  write(on, 2, "three");
  await night(on);
  on.machine.files.get(disk(above))?.clusters.set(1, "rot");
  write(on, 2, "four");
  const world = command(on);
  expect(await backup(world, {}, 1)).toMatchObject({ removed: [] });
  expect(world.notes).toEqual(
    expect.arrayContaining([
      `backup ${full}: kept this time, ${above}, which is damaged, builds on it`,
      `backup ${above}: kept this time, it is damaged`,
    ]),
  );
  expect(await statuses(on)).toEqual(["available", "damaged", "damaged", "damaged"]);
  expect(on.disk.journal.size).toBe(0);
});

test("of an encrypted one that is written over no room is asked for, though nobody tells where its data lies", async () => {
  const { on, full } = await withTwo(KEY);
  on.machine.freeBytes = 65536;
  await deleteBackup(command(on), [TARGET], full, KEY);
  expect(await statuses(on)).toEqual(["available"]);
});

test("in a target without any room what nothing builds on goes all the same, and nothing else", async () => {
  const { on, full, above } = await withTwo();
  const inFull = () => {
    const world = command(on);
    const { perform } = world.host;
    world.host.perform = async (action, options) => {
      if (action.do === "write-file" && action.path.startsWith(`${TARGET}/`))
        throw Object.assign(new Error("ENOSPC"), { code: "ENOSPC", syscall: "write", path: action.path });
      return perform(action, options);
    };
    return world;
  };
  const before = everything(on);
  await expect(deleteBackup(inFull(), [TARGET], full, null)).rejects.toMatchObject({ code: "ENOSPC" });
  expect(everything(on)).toBe(before);
  for (const id of [above, full]) {
    await deleteBackup(inFull(), [TARGET], id, null);
    expect(backupsOf(on)).toEqual(id === above ? [full] : []);
  }
  expect(on.disk.journal.size).toBe(0);
});

test("a merge for which the target has no room changes nothing, and one that adds nothing needs none", async () => {
  const { on, full } = await withTwo();
  const { freeBytes } = on.machine;
  on.machine.freeBytes = 65536;
  const before = everything(on);
  for (const dryRun of [true, false]) {
    await expect(deleteBackup(command(on, { dryRun }), [TARGET], full, null)).rejects.toMatchObject({ code: "host" });
    expect(everything(on)).toBe(before);
  }
  on.machine.freeBytes = freeBytes;
  await deleteBackup(command(on), [TARGET], full, null);
  for (const cluster of on.machine.files.get(disk(backupsOf(on)[0] ?? ""))?.clusters.keys() ?? [])
    write(on, cluster, null);
  await night(on);
  // But for its checksums and the manifest, without which it could not be ended
  on.machine.freeBytes = 16384;
  const overwritten = everything(on);
  const oldest = backupsOf(on)[0] ?? "";
  await expect(deleteBackup(command(on), [TARGET], oldest, null)).rejects.toMatchObject({ code: "host" });
  expect(everything(on)).toBe(overwritten);
  on.machine.freeBytes = 65536;
  await deleteBackup(command(on), [TARGET], oldest, null);
  expect(await statuses(on)).toEqual(["available"]);
});
