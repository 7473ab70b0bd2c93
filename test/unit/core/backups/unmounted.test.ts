/**
 * A command dies, and its target is unmounted before the next one: what it had begun there goes, or is finished, when
 * the target is back.
 */
import { describe, expect, test } from "vitest";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { knownTargets } from "../../../../src/core/backups/find.ts";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { verifyAll } from "../../../../src/core/backups/verify.ts";
import { measure } from "../../../../src/core/check/measure.ts";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { withLocks } from "../../../../src/core/operations/with-locks.ts";
import type { World } from "../../../../src/core/ports.ts";
import { Crash } from "../../../fake/store.ts";
import { requireSound } from "../crashes.ts";
import { ENDINGS, type Ending, endsOf, everyEnd } from "../ends.ts";
import {
  type Bed,
  backupsOf,
  command,
  contentsOf,
  copyOf,
  type Process,
  stateOf,
  stop,
  TARGET,
  UUID,
  write,
} from "../world.ts";
import { backup, night, withTarget } from "./world.ts";

const AWAY = "/away";

/** Moves all that is in the target; the folder is there all the same, as a mount point is. */
function move({ machine }: Bed, from: string, to: string): void {
  for (const [path, file] of [...machine.files]) {
    if (!path.startsWith(`${from}/`)) continue;
    machine.files.delete(path);
    machine.files.set(to + path.slice(from.length), file);
    if (file.backing?.path.startsWith(`${from}/`)) file.backing.path = to + file.backing.path.slice(from.length);
  }
  for (const path of [...machine.folders]) {
    if (!path.startsWith(`${from}/`)) continue;
    machine.folders.delete(path);
    machine.folders.add(to + path.slice(from.length));
  }
}

const parts = ({ machine }: Bed) => [...machine.folders].filter((path) => path.endsWith(".part"));

/** FULL ← I1 ← I2. */
async function withChain(): Promise<Bed> {
  const on = await withTarget();
  for (const word of ["one", "two", "three"]) {
    write(on, 2, word);
    await night(on);
  }
  write(on, 2, "four");
  await stop(on); // what a running guest goes through is told elsewhere
  return on;
}

test("the next backup removes what this store left unfinished in its target, and nothing of another's", async () => {
  const on = await withTarget();
  await night(on);
  const { storeId } = await stateOf(on);
  const [ours, other] = [storeId ?? "", "sto-fffffffffffffffff"].map(
    (store) => `${TARGET}/bak-0123456789abcdef0.${store}.part`,
  ) as [string, string];
  for (const part of [ours, other]) {
    on.machine.folders.add(part);
    command(on).host.addFile(`${part}/vda.qcow2`, { format: "qcow2" });
  }
  await backup({ ...command(on), dryRun: true });
  expect(parts(on)).toEqual([ours, other]);
  await night(on);
  expect(parts(on)).toEqual([other]);
  expect([...on.machine.files.keys()].filter((path) => path.includes(".part"))).toEqual([`${other}/vda.qcow2`]);
});

/** What sweeps: each operation that changes a target, and doctor. */
const NEXT: Readonly<Record<string, (world: Process) => Promise<unknown>>> = {
  "backup create": (world) => backup(world),
  "backup prune": (world) =>
    pruneBackups(world, [TARGET], { policy: { rotation: 9 }, zone: "UTC" }, { instance: null, type: null }, null),
  "backup delete": async (world) => {
    const newest = (await listBackups(world, [TARGET])).at(-1);
    await deleteBackup(world, [TARGET], newest?.id ?? "", null);
  },
  doctor: (world) => repair(world),
};

async function endEverywhere(ending: Ending, work: (world: World & Process) => Promise<unknown>): Promise<number> {
  const prepared = await withChain();
  const before = new Map<string, unknown>();
  for (const id of backupsOf(prepared)) before.set(id, await contentsOf(prepared, id));
  let left = 0;
  const { ends } = await everyEnd(ending, { prepare: async () => prepared, run: work });
  for (const [index, { point, strike }] of ends.entries()) {
    const on = await strike();
    move(on, TARGET, AWAY);
    const world = command(on);
    await recoverAll(world);
    await collect(world);
    // Whatever has to wait for the target: the instance does not.
    await withLocks(command(on), [UUID], async () => {});
    move(on, AWAY, TARGET);
    if (parts(on).length > 0) left += 1;
    const [name, next] = Object.entries(NEXT)[index % 4] as [string, (typeof NEXT)[string]];
    const where = `${point}; then ${name}`;
    if (parts(on).length > 0 && on.disk.journal.size === 0) {
      expect(
        (await examine(command(on))).map(({ subject }) => subject),
        where,
      ).toEqual(parts(on));
    }
    await next(command(on));
    expect(parts(on), where).toEqual([]);
    await requireSound(on, where);
    for (const id of backupsOf(on)) if (before.has(id)) expect(await contentsOf(on, id), where).toEqual(before.get(id));
    for (const { id, problems } of await verifyAll(command(on), TARGET))
      expect(problems, `${where}: ${id}`).toEqual([]);
  }
  return left;
}

describe.each(ENDINGS)("%s, and the target unmounted before recovery", { timeout: 600_000 }, (_, ending) => {
  test("keeps nothing of a backup that was being taken", async () => {
    const left = await endEverywhere(ending, (world) => backup(world));
    // A command that lives on without libvirt clears its folder away itself, while the target is still there.
    if (ending === "killed") expect(left).toBeGreaterThan(5);
    else expect(left).toBe(0);
  });

  test("has its merges finished when it is back", async () => {
    await endEverywhere(ending, (world) => backup(world, {}, 2));
  });

  test("has its deletions finished when it is back", async () => {
    await endEverywhere(ending, (world) =>
      deleteBackup(world, [TARGET], backupsOf({ ...world, machine: world.host.machine } as never)[1] ?? "", null),
    );
  });
});

test("a sweep that is killed is gone on with by the next", async () => {
  const on = await withChain();
  const dying = command(on);
  dying.host.crashAtNext("move-folder", "before");
  await expect(backup(dying)).rejects.toThrow(Crash);
  dying.store.crash();
  move(on, TARGET, AWAY);
  await recoverAll(command(on));
  move(on, AWAY, TARGET);
  expect(parts(on)).toHaveLength(1);
  const prune = NEXT["backup prune"] as (typeof NEXT)[string];
  const whole = command(copyOf(on));
  await prune(whole);
  const ends = endsOf("killed", whole);
  expect(ends.length).toBeGreaterThan(2);
  for (const { how, point } of ends) {
    const struck = copyOf(on);
    await expect(prune(command(struck, how)), point).rejects.toThrow(Crash);
    await prune(command(struck));
    expect(parts(struck), point).toEqual([]);
    await requireSound(struck, point);
  }
});

test.each(["EROFS", "EIO", "ENOTCONN"])("a target that answers %s keeps no instance from working", async (code) => {
  const on = await withChain();
  const dying = command(on);
  dying.host.crashAtNext("move-folder", "before");
  await expect(backup(dying)).rejects.toThrow(Crash);
  dying.store.crash();
  const world = command(on);
  const { perform, fileInfo } = world.host;
  const fails = () => Object.assign(new Error(code), { code, syscall: "unlink", path: TARGET });
  world.host.perform = async (action, how) => {
    if (action.do === "discard-folder") throw fails();
    return perform(action, how);
  };
  world.host.fileInfo = async (path) => {
    if (code === "ENOTCONN" && path.startsWith(TARGET)) throw fails();
    return fileInfo(path);
  };
  await withLocks(world, [UUID], async () => {});
  expect([on.disk.journal.size, parts(on).length]).toEqual([0, 1]);
  expect(world.notes.join()).toContain("left there");
  await night(on);
  expect(parts(on)).toEqual([]);
  await requireSound(on, code);
});

test.each(["ENOTCONN", "ESTALE", "EIO", "EACCES"])(
  "a target whose folder answers %s is away, as one that is not mounted: the others are there",
  async (code) => {
    const on = await withChain();
    on.machine.folders.add("/others");
    await backup(command(on), { target: "/others" });
    const world = command(on);
    const { fileInfo } = world.host;
    world.host.fileInfo = async (path) => {
      if (path.startsWith("/others")) throw Object.assign(new Error(code), { code, syscall: "lstat", path });
      return fileInfo(path);
    };
    const targets = await knownTargets(world, null, null);
    expect(await listBackups(world, targets)).toHaveLength(3);
    expect(world.notes.join()).toContain("/others: ");
    expect(await verifyAll(world, TARGET)).toHaveLength(3);
    expect((await measure(world, null)).newestBackupAt).toBeNull();
    expect(await examine(world)).toEqual([]);
  },
);

test("what another store is writing there is left alone", async () => {
  const on = await withChain();
  const other = `${TARGET}/bak-0123456789abcdef0.11111111-2222-4333-8444-555555555555.part`;
  on.machine.folders.add(other);
  for (const next of Object.values(NEXT)) await next(command(on));
  expect(parts(on)).toEqual([other]);
  expect(await examine(command(on))).toEqual([]);
});
