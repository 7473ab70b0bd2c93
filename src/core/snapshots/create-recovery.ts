/** A snapshot that was killed, or that failed: finished where the guest is on its new heads, else undone. */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { definedUnder, hasFile } from "../files-under.ts";
import { imageOf } from "../graph/files.ts";
import { stillDefined } from "../instances/still-defined.ts";
import { isUnwritten } from "../layers/heads.ts";
import { unlinkAll } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import { freezeFile, modeOf } from "../modes.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { type CreateData, createDataSchema, record, switched } from "./create-steps.ts";
import { keptFiles, memoryFiles } from "./drop.ts";
import { definedDisks } from "./heads.ts";
import { freezeMemory, keepLiveDefinition } from "./memory-file.ts";
import { requireLeft } from "./unheld.ts";

/** Why libvirt says that a guest stands still where it was saving its memory; a person's own pause is called "user". */
const SAVING = new Set(["snapshot", "saving", "migrating", "unknown"]);

export const createSnapshotKind: Kind<CreateData> = {
  name: "snapshot.create",
  // One of a guest that is off asks nothing of QEMU: whatever stands in its way, it can be backed up.
  forQemu: ({ snapshot }) => snapshot.consistency !== "offline",
  version: 1,
  data: createDataSchema,
  recover: recoverCreate,
};

/**
 * A snapshot that never ended. Forward where the guest writes (or wrote, or is defined to write) to a new head: its
 * bytes are there. Back otherwise: thaw, and unlink the heads once nobody holds them.
 */
async function recoverCreate(world: World, locks: HeldLocks, data: CreateData): Promise<Outcome> {
  if (data.snapshot.memory !== null) await perform(world, locks, [{ do: "await-job", domain: data.uuid }]);
  const status = await world.host.domainStatus(data.uuid);
  if (status !== null && status.live !== null) await world.host.perform({ do: "thaw", domain: data.uuid });
  await goOn(world, locks, data, status);
  const stored = (await world.store.read()).snapshots[data.snapshot.id];
  if (await newHeadsInUse(world, data, status)) {
    await perform(world, locks, [
      ...data.heads.map((head) => freezeFile(head.before)),
      ...(await stillDefined(world, [{ do: "redefine", domain: data.uuid, disks: definedDisks(data.heads, "after") }])),
    ]);
    await recordWhatIsThere(world, locks, data);
    return "forward";
  }
  if (stored !== undefined) return "forward";
  await undo(world, locks, data);
  return "back";
}

/**
 * libvirtd may have died while the guest stood still for its memory: it goes on, unless a person had paused it. QEMU
 * lets go of its disks when a memory is saved and opens them anew when the guest goes on, so what it still writes to
 * must not be frozen (measured on 7.2).
 */
async function goOn(world: World, locks: HeldLocks, data: CreateData, status: DomainStatus | null): Promise<void> {
  const { memory } = data.snapshot;
  if (memory === null || memory.paused || status?.state !== "paused" || !SAVING.has(status.reason)) return;
  if ((await switched(world, data)) === "no")
    await perform(
      world,
      locks,
      data.heads.map((head) => modeOf(head.before)),
    );
  await perform(world, locks, [{ do: "resume", domain: data.uuid }]);
}

/**
 * libvirt switches the disks only after all of the memory is written, so it belongs to what the old heads hold. Where
 * the file is not whole (the power failed before it was on the disk), the disks are kept alone.
 */
async function recordWhatIsThere(world: World, locks: HeldLocks, data: CreateData): Promise<void> {
  const { snapshot } = data;
  if (snapshot.memory === null) return record(world, data, snapshot.consistency);
  try {
    await keepLiveDefinition(world, snapshot, data.heads);
  } catch (error) {
    world.report.note(`${snapshot.name}: kept without memory (${wordsOf(error)})`);
    await record(world, { ...data, snapshot: { ...snapshot, memory: null } }, "crash");
    await perform(world, locks, unlinkAll(memoryFiles(world, snapshot)));
    return;
  }
  await perform(world, locks, freezeMemory(world, snapshot));
  await record(world, data, "memory");
}

/** The truth, in the order of DESIGN.md, section 3: QEMU, then what was written, then the definition. */
async function newHeadsInUse(world: World, data: CreateData, status: DomainStatus | null): Promise<boolean> {
  if (status === null) return false;
  if (status.live !== null) {
    const answer = await switched(world, data);
    if (answer === "some") {
      throw new EstratoError("integrity", `instance ${status.name}: QEMU switched only some of its disks`, {
        hint: 'Run "estrato doctor".',
      });
    }
    if (answer !== "off") return answer === "yes";
  }
  const defined = await definedUnder(world, status.inactive);
  for (const head of data.heads) {
    // libvirtd may have died between QEMU's switch and its own note, and the guest may have stopped since (LIBVIRT.md,
    // trap 12).
    if (
      (await world.host.fileInfo(head.after.file)) !== null &&
      (await world.host.ownExtents(imageOf(head.after))).length > 0
    )
      return true;
    if (await hasFile(world, defined, head.after.file)) return true;
  }
  return false;
}

async function undo(world: World, locks: HeldLocks, data: CreateData): Promise<void> {
  const files: string[] = [];
  for (const { after } of data.heads) {
    await requireLeft(world, locks, data.uuid, after.file);
    if (await isUnwritten(world, after)) files.push(after.file);
    else {
      // libvirtd died before it noted the switch, and the guest was started again on what it had before (LIBVIRT.md,
      // trap 12).
      world.report.note(
        `${data.snapshot.name}: undone, but ${after.file} holds what the guest wrote before it was started again: kept for "estrato doctor"`,
      );
    }
  }
  const actions = unlinkAll([...files, ...keptFiles(world, data.snapshot)]);
  // A step that froze the old head may have been the last one done.
  for (const head of data.heads) {
    actions.push(modeOf(head.before));
  }
  await perform(world, locks, actions);
}
