/** Commands that run at the same time on two instances that share an image, in every order of their steps. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { deleteBackup } from "../../../src/core/backups/delete.ts";
import { restoreInPlace, restoreInstance, restoreVolume } from "../../../src/core/backups/restore-to.ts";
import { backupAndRotate } from "../../../src/core/backups/take.ts";
import { examine, repair } from "../../../src/core/doctor/doctor.ts";
import { createImageFromInstance } from "../../../src/core/images/create-from-instance.ts";
import { createImageFromSnapshot } from "../../../src/core/images/create-from-snapshot.ts";
import { deleteImage } from "../../../src/core/images/delete.ts";
import { createInstance } from "../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../src/core/instances/delete.ts";
import { resizeInstance } from "../../../src/core/instances/resize.ts";
import { setInstance } from "../../../src/core/instances/set.ts";
import { startInstance } from "../../../src/core/instances/start.ts";
import { stopInstance } from "../../../src/core/instances/stop.ts";
import { collect } from "../../../src/core/layers/collect.ts";
import { shelveInstance } from "../../../src/core/shelving/shelve.ts";
import { unshelveInstance } from "../../../src/core/shelving/unshelve.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import { createVolumeSnapshot } from "../../../src/core/snapshots/create-volume.ts";
import { deleteSnapshot } from "../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../src/core/volumes/create.ts";
import { deleteVolume } from "../../../src/core/volumes/delete.ts";
import { detachVolume } from "../../../src/core/volumes/detach.ts";
import { EstratoError } from "../../../src/errors.ts";
import { fakeClock } from "../../fake/clock.ts";
import { CLUSTER_BYTES, type Content } from "../../fake/host.ts";
import { Crash } from "../../fake/store.ts";
import { wanted } from "./backups/world.ts";
import { newEstate, creation as newInstance } from "./instances/world.ts";
import { scheduled } from "./scheduled.ts";
import {
  type Bed,
  backupsOf,
  type CrashPoint,
  command,
  contentsOf,
  creation,
  type Process,
  stateOf,
  TARGET,
  virsh,
} from "./world.ts";

const INSTANCES = ["web1", "web2"] as const;

/** Whom a verb works on, what it takes of what is there, and what it calls what it makes. */
interface How {
  readonly on: string;
  readonly snapshot: string;
  readonly image: string;
  readonly volume: string;
  readonly backup: string;
  readonly as: string;
}

const VERBS = {
  snapshot: (world, { on, as }) => createSnapshot(world, creation(as, { instance: on })),
  "snapshot of a volume": (world, { volume, as }) => createVolumeSnapshot(world, { ...creation(as), volume }),
  revert: (world, { snapshot }) => revertSnapshot(world, snapshot, { discard: false, keepMs: 3_600_000 }),
  "revert for good": (world, { snapshot }) => revertSnapshot(world, snapshot, { discard: true, keepMs: 0 }),
  "delete a snapshot": (world, { snapshot }) => deleteSnapshot(world, snapshot, { children: false }),
  image: (world, { snapshot, as }) => createImageFromSnapshot(world, { ...imageOf(as), snapshot }),
  "image of an instance": (world, { on, as }) =>
    createImageFromInstance(world, { ...imageOf(as), instance: on, excludeDisks: [] }),
  "delete an image": (world, { image }) => deleteImage(world, image),
  "volume of an image": (world, { image, as }) =>
    createVolume(world, { name: as, source: { kind: "image", target: image, disk: null }, sizeBytes: null }),
  "volume of a snapshot": (world, { snapshot, as }) =>
    createVolume(world, { name: as, source: { kind: "snapshot", target: snapshot, disk: null }, sizeBytes: null }),
  "delete a volume": (world, { volume }) => deleteVolume(world, volume),
  attach: (world, { on, volume }) => attachVolume(world, on, volume),
  detach: (world, { on, volume }) => detachVolume(world, on, volume, 1000),
  instance: (world, { image, as }) =>
    createInstance(world, newInstance({ name: as, source: { kind: "image", target: image }, start: false })),
  "delete an instance": (world, { on }) => deleteInstance(world, on, { keepVolumes: false }),
  stop: (world, { on }) => stopInstance(world, on, { force: true, timeoutMs: 0, wait: true }),
  start: (world, { on }) => startInstance(world, on),
  shelve: (world, { on }) => shelveInstance(world, on, { offload: false, folder: null, timeoutMs: 1000 }),
  "shelve and pack": (world, { on }) => shelveInstance(world, on, { offload: true, folder: null, timeoutMs: 1000 }),
  unshelve: (world, { on }) => unshelveInstance(world, on),
  backup: (world, { on }) => backupAndRotate(world, wanted({ instance: on }), { rotation: 2 }),
  "delete a backup": (world, { backup }) => deleteBackup(world, [TARGET], backup, null),
  "snapshot with memory": (world, { on, as }) => createSnapshot(world, creation(as, { instance: on, memory: true })),
  "restore in place": (world, { backup }) => restoreInPlace(world, restoreFrom(backup), { keepMs: 3_600_000 }),
  "restore as another": (world, { backup, as }) =>
    restoreInstance(world, restoreFrom(backup), newInstance({ name: as, start: false })),
  "restore a volume": (world, { backup, as }) => restoreVolume(world, restoreFrom(backup), as),
  resize: (world, { on }) =>
    resizeInstance(world, on, { flavor: null, vcpus: 2, ramBytes: null, restart: true, timeoutMs: 1000 }),
  rename: (world, { on, as }) =>
    setInstance(world, on, { name: as, properties: {}, dropProperties: [], autostart: null }),
  collect: (world) => collect(world),
} satisfies Record<string, (world: Process, how: How) => Promise<unknown>>;

interface Work {
  readonly verb: keyof typeof VERBS;
  readonly pick: number;
  readonly as: string;
}

const verbs = Object.keys(VERBS) as (keyof typeof VERBS)[];
const work: fc.Arbitrary<Work> = fc.record({
  // Whatever makes something comes oftener: there is to be something to take away.
  verb: fc.constantFrom(...verbs, "snapshot", "snapshot of a volume", "image", "unshelve"),
  pick: fc.nat(1000),
  as: fc.constantFrom("a", "b", "c"),
});

async function chosen(on: Bed, { pick, as }: Work): Promise<How> {
  const { instances, snapshots, images, volumes } = await stateOf(on);
  const one = (all: string[]): string => all[pick % Math.max(1, all.length)] ?? "none";
  return {
    on: one(Object.values(instances).map(({ name }) => name)),
    snapshot: one(Object.keys(snapshots)),
    image: one(Object.keys(images)),
    volume: one(Object.keys(volumes)),
    backup: one(backupsOf(on)),
    as,
  };
}

const restoreFrom = (backup: string) => ({ targets: [TARGET], backup, disks: [], passphraseFile: null });
const imageOf = (name: string) => ({
  name,
  properties: {},
  minDiskBytes: null,
  minRamBytes: null,
  protect: false,
});

/** web1 and web2 run from one image, each with a word of its own; a volume is free. */
async function estate(): Promise<Bed> {
  const on: Bed = { ...newEstate(), clock: fakeClock() };
  for (const name of INSTANCES) await createInstance(command(on), newInstance({ name }));
  await createVolume(command(on), { name: "data", source: null, sizeBytes: 16 * CLUSTER_BYTES });
  await virsh(on, { do: "make-folder", path: TARGET });
  return on;
}

/** What a person may be told; all else is a fault of ours. */
async function run(world: Process, verb: Work["verb"], how: How): Promise<void> {
  try {
    await VERBS[verb](world, how);
  } catch (error) {
    if (error instanceof Crash) return;
    // While another command undefines or shelves it; nothing has been touched then.
    if (error instanceof EstratoError && /libvirt has no domain/.test(error.message)) return;
    if (!(error instanceof EstratoError) || !["conflict", "not_found", "usage"].includes(error.code)) throw error;
  }
}

/** For the locks of the others. */
const waiting = (world: Process): Process => ({ ...world, lockTimeoutMs: 1000 });

type Disks = Record<string, Record<string, Content>>;

/** What snapshots, images and backups read as, by id. */
async function kept(on: Bed): Promise<Disks> {
  const { snapshots, images } = await stateOf(on);
  const ids = [...Object.keys(snapshots), ...Object.keys(images), ...backupsOf(on)];
  return Object.fromEntries(await Promise.all(ids.map(async (id) => [id, await contentsOf(on, id)] as const)));
}

/** What each volume reads as, by id. */
async function volumes(on: Bed): Promise<Record<string, Content>> {
  const { volumes: all, layers } = await stateOf(on);
  const { host } = command(on);
  return Object.fromEntries(Object.values(all).map(({ id, head }) => [id, host.read(layers[head]?.file ?? "")]));
}

/** What both have reads the same in both. */
function requireSame<T>(before: Readonly<Record<string, T>>, after: Readonly<Record<string, T>>): void {
  const common = Object.keys(before).filter((id) => id in after);
  expect(common.map((id) => [id, after[id]])).toEqual(common.map((id) => [id, before[id]]));
}

/** Volumes that were made meanwhile from what was there before read as that. */
async function requireCopies(on: Bed, old: Record<string, Content>, promised: Disks): Promise<void> {
  const { volumes: all } = await stateOf(on);
  const read = await volumes(on);
  for (const { id, sourceImage, sourceSnapshot } of Object.values(all)) {
    const from = promised[sourceImage ?? sourceSnapshot ?? ""];
    if (!(id in old) && from !== undefined) expect(Object.values(from)).toContainEqual(read[id]);
  }
}

/** The verbs one after the other, each guest writing before each of them. */
async function history(on: Bed, works: readonly Work[]): Promise<void> {
  let count = 0;
  const write = () => {
    const { host } = command(on);
    for (const [uuid, { state, live }] of on.machine.domains) {
      const disks = live === null ? [] : host.parseDefinition(live).disks;
      const disk = disks.find(({ device }) => /^vd[a-y]/.test(device));
      if (state !== "running" || disk === undefined) continue;
      count += 1;
      host.guestWrite(uuid, disk.device, count % 4, `w${count}`);
    }
  };
  for (const one of works) {
    on.clock.advance(60_000);
    write();
    await run(command(on), one.verb, await chosen(on, one));
  }
  write();
}

const kill: fc.Arbitrary<CrashPoint> = fc.record({
  at: fc.constantFrom("write", "action"),
  index: fc.nat(12),
  phase: fc.constantFrom("before", "after"),
});

test("commands at the same time end well, lose nothing and leave nothing", async () => {
  const before = fc.array(work, { minLength: 3, maxLength: 10 });
  const together = fc.array(work, { minLength: 2, maxLength: 4 });
  const dying = fc.option(kill, { freq: 2 });
  await fc.assert(
    fc.asyncProperty(fc.scheduler(), before, together, dying, async (scheduler, first, then, crash) => {
      const on = await estate();
      await history(on, first);
      const [promised, disks] = [await kept(on), await volumes(on)];
      const hows = await Promise.all(then.map((one) => chosen(on, one)));
      const worlds = then.map((_, index) =>
        waiting(scheduled(scheduler, `${index}`, command(on, crash === null || index > 0 ? {} : { crash }))),
      );
      const ran = then.map(({ verb }, index) => run(worlds[index] as Process, verb, hows[index] as How));
      await scheduler.waitFor(Promise.all(ran));
      if (crash === null) {
        const notes = worlds.flatMap((world) => world.notes);
        expect(notes.filter((note) => /not collected|undone|cannot/.test(note))).toEqual([]);
        await collect(command(on));
      } else await repair(command(on));
      expect([...on.disk.journal.keys()]).toEqual([]);
      expect(on.disk.locks.size).toBe(0);
      expect(await examine(command(on))).toEqual([]);
      requireSame(promised, await kept(on));
      if (!then.some(({ verb }) => /^re(vert|store)/.test(verb))) requireSame(disks, await volumes(on));
      await requireCopies(on, disks, promised);
    }),
    { numRuns: 100 },
  );
});
