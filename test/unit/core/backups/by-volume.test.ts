/** A disk is its volume, not the device that it has: what was vdb once is not what vdb is now. */
import { describe, expect, test } from "vitest";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { restoreInPlace } from "../../../../src/core/backups/restore-to.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { detachVolume } from "../../../../src/core/volumes/detach.ts";
import type { Bed } from "../world.ts";
import { backupsOf, command, disksOf, everything, TARGET, write } from "../world.ts";
import { night, withTarget } from "./world.ts";

async function volume(on: Bed, name: string): Promise<void> {
  await createVolume(command(on), { name, source: null, sizeBytes: 3 * 64 * 1024 });
}

const attach = (on: Bed, name: string) => attachVolume(command(on), "web1", name);
const detach = (on: Bed, name: string) => detachVolume(command(on), "web1", name, 1_000);
const from = (id: string) => ({ targets: [TARGET], backup: id, disks: [], passphraseFile: null });
const inPlace = (on: Bed, id: string, disks: string[] = []) =>
  restoreInPlace(command(on), { ...from(id), disks }, { keepMs: 1000 });

/** web1, whose vdb is the volume ledger; photos is attached to nothing. */
async function withLedger(): Promise<Bed> {
  const on = await withTarget();
  await volume(on, "ledger");
  await volume(on, "photos");
  await attach(on, "ledger");
  write(on, 1, "accounts", "vdb");
  return on;
}

describe("a restore in place", () => {
  test("where another volume has the device now: refused, both are named, and nothing changes", async () => {
    const on = await withLedger();
    const { id } = await night(on);
    await detach(on, "ledger");
    await attach(on, "photos");
    write(on, 1, "a holiday", "vdb");
    const before = everything(on);
    await expect(inPlace(on, id)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/vdb of the backup is volume ledger \(vol-\w+\), and its vdb is volume photos/),
    });
    expect(everything(on)).toBe(before);
    await inPlace(on, id, ["vda"]);
    expect((await disksOf(on)).vdb).toEqual({ 1: "a holiday" });
  });

  test("goes to the volume at whatever device it is now", async () => {
    const on = await withLedger();
    const { id } = await night(on);
    await detach(on, "ledger");
    await attach(on, "photos");
    await attach(on, "ledger");
    write(on, 1, "a holiday", "vdb");
    write(on, 1, "spoilt", "vdc");
    await inPlace(on, id);
    expect(await disksOf(on)).toMatchObject({ vdb: { 1: "a holiday" }, vdc: { 1: "accounts" } });
  });
});

describe("a rotation", () => {
  test("of one device keeps the last backups of the volume that was there before", async () => {
    const on = await withLedger();
    const ledger = await night(on, { disks: ["vdb"] }, 2);
    await detach(on, "ledger");
    await attach(on, "photos");
    const nights = [];
    for (const _ of [1, 2, 3]) nights.push((await night(on, { disks: ["vdb"] }, 2)).id);
    expect(backupsOf(on)).toEqual([ledger.id, ...nights.slice(1)]);
    const retention = { policy: { rotation: 1 }, zone: "UTC" };
    const why = await pruneBackups(command(on), [TARGET], retention, { instance: null, type: null }, null);
    expect(why.find(({ id }) => id === ledger.id)).toMatchObject({
      action: "keep",
      why: [expect.stringMatching(/^rotation 1 of vol-/)],
    });
  });
});
