/** A merge has no way back once it is begun: what would stop it refuses it before. */
import { expect, test } from "vitest";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { listBackups } from "../../../../src/core/backups/list.ts";
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
