/**
 * Two stores keep their backups in one folder: neither merges or removes under the other's feet, and reading is
 * possible all the time.
 */
import { describe, expect, test } from "vitest";
import { bootSound } from "../../../../src/core/backups/boot.ts";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { restoreInstant } from "../../../../src/core/backups/instant.ts";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { setProtected } from "../../../../src/core/backups/protect.ts";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { restoreVolume } from "../../../../src/core/backups/restore-to.ts";
import { verifyAll, verifyBackup } from "../../../../src/core/backups/verify.ts";
import { measure } from "../../../../src/core/check/measure.ts";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { takeLocks } from "../../../../src/core/operations/locks.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { fakeIds } from "../../../fake/clock.ts";
import { Crash, fakeDisk } from "../../../fake/store.ts";
import { type Bed, backupsOf, command, everything, type Process, stateOf, TARGET, write } from "../world.ts";
import { marks, wanted as wantedInstance } from "./instant-world.ts";
import { backup, night, withTarget } from "./world.ts";

/** FULL ← I1 ← I2. */
async function withChain(): Promise<Bed> {
  const on = await withTarget();
  for (const word of ["one", "two", "three"]) {
    write(on, 2, word);
    await night(on);
  }
  return on;
}

/** Another store on the same machine, which has never been in the target. */
function anotherOn({ machine, clock, disk }: Bed): Bed {
  const ids = fakeIds();
  const next = (prefix: Parameters<typeof ids.next>[0]) => ids.next(prefix).replace("-0", "-e");
  const uuid = () => ids.uuid().replace("-4000-", "-4eee-");
  return { machine, clock, disk: { ...fakeDisk(), fileLocks: disk.fileLocks }, ids: { ...ids, next, uuid } };
}

const every = { instance: null, type: null };
const changes: Readonly<Record<string, (world: Process, id: string) => Promise<unknown>>> = {
  "backup delete": (world, id) => deleteBackup(world, [TARGET], id, null),
  "backup prune": (world) => pruneBackups(world, [TARGET], { policy: { rotation: 1 }, zone: "UTC" }, every, null),
  "backup protect": (world, id) => setProtected(world, [TARGET], id, true),
  "backup restore": (world, backup) =>
    restoreVolume(world, { targets: [TARGET], backup, disks: [], passphraseFile: null }, "old"),
  "backup verify --boot": async (world) =>
    bootSound(world, await verifyAll(world, TARGET), {
      timeoutMs: 1_000,
      consoleText: null,
      screenshot: null,
      passphraseFile: null,
    }),
};

describe("while one store works in a target", () => {
  test.each(Object.entries(changes))("%s of another is a conflict, and goes well afterwards", async (_name, work) => {
    const on = await withChain();
    const other = anotherOn(on);
    const [id = ""] = backupsOf(on);
    const held = await takeLocks(command(on), [TARGET], 0);
    const before = everything(on);
    await expect(work(command(other), id)).rejects.toMatchObject({
      code: "conflict",
      message: `${TARGET}: another store is at work in it`,
    });
    expect(everything(on)).toBe(before);
    await held.release();
    await work(command(other), id);
    expect([on.disk.fileLocks.size, other.disk.locks.size]).toEqual([0, 0]);
  });

  test("another waits for it as long as it is told", async () => {
    const on = await withChain();
    const other = { ...command(anotherOn(on)), lockTimeoutMs: 30_000 };
    const held = await takeLocks(command(on), [TARGET], 0);
    const waiting = pruneBackups(other, [TARGET], { policy: { rotation: 1 }, zone: "UTC" }, every, null);
    await held.release();
    await waiting;
    expect(backupsOf(on)).toHaveLength(1);
  });

  test("its own backups cannot be taken by the first, which says so before anything is touched", async () => {
    const on = await withChain();
    const held = await takeLocks(command(anotherOn(on)), [TARGET], 0);
    const before = everything(on);
    await expect(backup(command(on))).rejects.toMatchObject({ code: "conflict" });
    expect(everything(on)).toBe(before);
    await held.release();
  });

  test("listing and verifying need no lock", async () => {
    const on = await withChain();
    const held = await takeLocks(command(on), [TARGET], 0);
    for (const bed of [on, anotherOn(on)]) {
      expect(await listBackups(command(bed), [TARGET])).toHaveLength(3);
      expect((await verifyAll(command(bed), TARGET)).map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
    }
    await held.release();
  });

  test("what it was killed at is left to it, and another can work in between", async () => {
    const on = await withChain();
    const other = anotherOn(on);
    const [first = ""] = backupsOf(on);
    const dying = command(on);
    dying.host.crashAtNext("commit", "midway");
    await expect(deleteBackup(dying, [TARGET], first, null)).rejects.toThrow(Crash);
    dying.store.crash();
    const held = await takeLocks(command(other), [TARGET], 0);
    await recoverAll(command(on)); // not now
    expect(on.disk.journal.size).toBe(1);
    await held.release();
    await recoverAll(command(on));
    expect(on.disk.journal.size).toBe(0);
    expect((await verifyAll(command(other), TARGET)).map(({ status }) => status)).toEqual(["ok", "ok"]);
  });
});

test("where a target carries no locks the work goes on, and a note says what must not be", async () => {
  const on = await withChain();
  const world = command(on);
  world.store.lockShared = async () => null;
  await backup(world);
  expect(world.notes).toContain(`${TARGET}: it cannot be locked: let no other store work in it at the same time`);
});

test("while one is merged, or when who did it has died, those above it are listed as merging, and check counts them", async () => {
  const on = await withChain();
  const [first = "", ...others] = backupsOf(on);
  const dying = command(on);
  dying.host.crashAtNext("commit", "midway");
  await expect(deleteBackup(dying, [TARGET], first, null)).rejects.toThrow(Crash);
  dying.store.crash();
  const listed = await listBackups(command(anotherOn(on)), [TARGET]);
  expect(listed.map(({ id, status }) => [id, status])).toEqual(others.map((id) => [id, "merging"]));
  expect(listed[0]?.problem).toBe(`it is being merged with ${first}, on which it builds`);
  expect((await measure(command(on), "web1")).newestBackupAt?.toISOString()).toBe(listed.at(-1)?.created_at);
  // It is not restored, nor merged with another, before that has ended.
  await expect(
    restoreVolume(
      command(anotherOn(on)),
      { targets: [TARGET], backup: others[1] ?? "", disks: [], passphraseFile: null },
      "v",
    ),
  ).rejects.toMatchObject({ code: "integrity" });
  await expect(deleteBackup(command(anotherOn(on)), [TARGET], others[0] ?? "", null)).rejects.toMatchObject({
    code: "integrity",
  });
  await recoverAll(command(on));
  expect((await listBackups(command(on), [TARGET])).map(({ status }) => status)).toEqual(["available", "available"]);
});

test("what went while the list was read is not called damaged", async () => {
  const on = await withChain();
  const [first = ""] = backupsOf(on);
  const world = command(on);
  const { readText } = world.host;
  let done = false;
  world.host.readText = async (path, most) => {
    const text = await readText(path, most);
    if (!done && path.endsWith("manifest.json") && !path.includes(first)) {
      done = true;
      await deleteBackup(command(anotherOn(on)), [TARGET], first, null);
    }
    return text;
  };
  const { listFolder } = world.host;
  world.host.listFolder = async (path) => (await listFolder(path)).reverse();
  expect((await listBackups(world, [TARGET])).map(({ status }) => status)).toEqual(["available", "available"]);
  expect(done).toBe(true);
});

describe("a backup that is read while others are merged", () => {
  /** A process whose first reading of a disk is followed by that. */
  function reading(on: Bed, then: () => Promise<unknown>): Process {
    const world = command(on);
    let done = false;
    const blockSums: typeof world.host.blockSums = async (path, ...rest) => {
      const sums = await world.host.blockSums(path, ...rest);
      if (!done && path.endsWith(".qcow2")) {
        done = true;
        await then();
      }
      return sums;
    };
    return { ...world, host: { ...world.host, blockSums } };
  }

  test.each([0, 1, 2])("is not damaged for it: number %i goes", async (index) => {
    const on = await withChain();
    const ids = backupsOf(on);
    const world = reading(on, () => deleteBackup(command(anotherOn(on)), [TARGET], ids[index] ?? "", null));
    const found = await verifyAll(world, TARGET);
    expect(found.filter(({ status }) => status !== "ok")).toEqual([]);
    for (const id of backupsOf(on)) expect(found.map((one) => one.id)).toContain(id);
  });

  test("is not called damaged before the one who merges has let go", async () => {
    const on = await withChain();
    const [first = "", second = ""] = backupsOf(on);
    const other = command(anotherOn(on));
    let held: Awaited<ReturnType<typeof takeLocks>> | null = null;
    const world = reading(on, async () => {
      held = await takeLocks(other, [TARGET], 0);
      on.machine.files.get(`${TARGET}/${first}/vda.qcow2`)?.clusters.set(9, "half of a merge");
    });
    await expect(verifyBackup(world, [TARGET], second)).rejects.toMatchObject({ code: "conflict" });
    await (held as unknown as { release(): Promise<void> }).release();
    expect(await verifyBackup(command(on), [TARGET], second)).toMatchObject({ status: "damaged" });
  });

  test("is not found where it was removed meanwhile", async () => {
    const on = await withChain();
    const [first = ""] = backupsOf(on);
    const removed = reading(on, async () => {
      for (const path of [...on.machine.files.keys()]) if (path.includes(first)) on.machine.files.delete(path);
      on.machine.folders.delete(`${TARGET}/${first}`);
    });
    await expect(verifyBackup(removed, [TARGET], first)).rejects.toMatchObject({ code: "not_found" });
  });
});

test("what an instance of another store reads from is kept, and let go of by that store alone", async () => {
  const on = await withChain();
  const other = anotherOn(on);
  const from = { targets: [TARGET], backup: backupsOf(on)[1] ?? "", disks: [], passphraseFile: null };
  await restoreInstant(command(other), from, wantedInstance("web2"), { wait: false });
  expect((await stateOf(other)).storeId).not.toBe((await stateOf(on)).storeId);
  for (const id of backupsOf(on).slice(0, 2))
    await expect(deleteBackup(command(on), [TARGET], id, null)).rejects.toMatchObject({ code: "conflict" });
  expect(await examine(command(on))).toEqual([]);
  await repair(command(on));
  expect(marks(on)).toHaveLength(1);
  await night(on, {}, 1);
  expect(backupsOf(on)).toHaveLength(3);
  await restoreInstant(command(other), from, wantedInstance("web2"), { wait: true });
  await night(on, {}, 1);
  expect(backupsOf(on)).toHaveLength(1);
});
