/** A revert that was killed, or that failed: undone where the guest still has what it had, else finished. */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { unmarkBorrowed } from "../graph/borrowed.ts";
import { imageOf } from "../graph/files.ts";
import { unlinkAll } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import { modeOf } from "../modes.ts";
import { perform, repeat } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { isSameFile } from "../same-file.ts";
import { dropSnapshots } from "./drop.ts";
import type { HeadChange } from "./heads.ts";
import { deedOf, type RevertData, revertDataSchema } from "./revert-plan.ts";
import { afterDefining, RESUME, START } from "./revert-steps.ts";
import { requireUnheld } from "./unheld.ts";

export const revertKind: Kind<RevertData> = {
  name: "snapshot.revert",
  forQemu: () => true,
  version: 3,
  data: revertDataSchema,
  older: {
    1: (data) => data, // no seed changed then
    2: (data) => data, // no head was recorded before it was made
  },
  recover: recoverRevert,
};

/** The same to an image. */
export const rebuildKind: Kind<RevertData> = {
  name: "instance.rebuild",
  forQemu: () => true,
  version: 1,
  data: revertDataSchema,
  recover: recoverRevert,
};

/**
 * A revert that never ended. Back where the guest still runs on what it had, or is off and defined as before; forward
 * otherwise. Forward begins behind the definition, which comes after all that is copied and made: the guest may have
 * been started since, and what it has written to its new heads and NVRAM is not to be made again.
 */
async function recoverRevert(world: World, locks: HeldLocks, data: RevertData): Promise<Outcome> {
  await endHalfResumed(world, locks, data);
  const status = await world.host.domainStatus(data.uuid);
  if (status === null)
    throw new EstratoError(
      "integrity",
      `instance ${data.instanceName}: libvirt has lost its domain while it was being ${deedOf(data) === "revert" ? "reverted" : "rebuilt"}`,
      { hint: 'Run "estrato doctor".' },
    );
  const isRecorded = (await world.store.read()).volumes[data.heads[0]?.volume ?? ""]?.head === data.heads[0]?.after.id;
  if (!isRecorded && (await backIsRight(world, data, status))) {
    await undo(world, locks, data, status);
    return "back";
  }
  const runs = status.live !== null;
  for (const step of afterDefining(world, locks, data)) {
    // The guest that runs now runs on the new heads already.
    const actions = (step.actions ?? []).filter((action) => !(runs && action.do === "destroy"));
    const bringsBack = step.id === START || step.id === RESUME;
    const work = () => repeat(world, locks, { ...step, actions });
    if (bringsBack) await startOrSay(world, data, work);
    else await work();
  }
  return "forward";
}

/**
 * libvirtd may have died while it resumed the guest: that guest stands still on new heads and never ran. (Nobody waits
 * for memory in vain: it is resumed anew.) One that a person has paused is left alone.
 */
async function endHalfResumed(world: World, locks: HeldLocks, data: RevertData): Promise<void> {
  if (!data.memory || data.memory.paused) return;
  const status = await world.host.domainStatus(data.uuid);
  if (status?.state !== "paused" || status.reason === "user") return;
  const disks = await world.host.qemuDisks(data.uuid);
  for (const { device, after } of data.heads) {
    if (disks.find((disk) => disk.device === device)?.chain[0] !== after.file) return;
    if ((await world.host.ownExtents(imageOf(after))).length > 0) return;
  }
  await perform(world, locks, [{ do: "destroy", domain: data.uuid }]);
}

/**
 * The disks are reverted and recorded by now: a guest that does not start is the operator's to look at, not ours to
 * undo.
 */
async function startOrSay(world: World, data: RevertData, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    world.report.note(
      `${data.instanceName}: its disks are ${deedOf(data) === "revert" ? "reverted" : "rebuilt"}, but it does not start: ${wordsOf(error)}`,
    );
  }
}

/** The guest still writes to what it had, or is off and defined as before. */
async function backIsRight(world: World, data: RevertData, status: DomainStatus): Promise<boolean> {
  const first = data.heads[0];
  if (first === undefined) return true;
  // By whatever name: what was there before us is recorded under the one by which it was found first.
  const isBefore = (file: string | null | undefined) => isSameFile(world, file ?? "", first.before.file);
  if (status.live !== null) {
    const disks = await world.host.qemuDisks(data.uuid);
    return isBefore(disks.find((disk) => disk.device === first.device)?.chain[0]);
  }
  // We define before we stop the guest: a guest that is off and still defined as before was not stopped by us.
  return isBefore(status.inactive.disks.find((disk) => disk.device === first.device)?.source);
}

/** One that was not defined anew yet stays as it is: a person may have changed it since. */
async function undo(world: World, locks: HeldLocks, data: RevertData, { inactive }: DomainStatus): Promise<void> {
  const isDefined = ({ device, after }: HeadChange) =>
    inactive.disks.some((disk) => disk.device === device && disk.source === after.file);
  if (data.heads.some(isDefined)) await perform(world, locks, [{ do: "define", xml: data.xmlBefore }]);
  for (const head of data.heads) await requireUnheld(world, head.after.file);
  const { kept, loans = [] } = data;
  if (kept !== null) await world.store.update((draft) => dropSnapshots(draft, [kept.id]));
  const files = data.heads.map((head) => head.after.file);
  for (const copy of [data.nvram, data.keep.nvram, data.keep.tpm]) if (copy !== null) files.push(copy.to);
  if (data.kept !== null) files.push(world.store.paths.record(`${data.kept.id}.xml`));
  if (data.seed?.renewed != null) files.push(data.seed.path);
  await perform(world, locks, [...unlinkAll(files), ...data.heads.map((head) => modeOf(head.before))]);
  await world.store.update((draft) => {
    for (const { after } of data.heads) delete draft.layers[after.id];
    for (const { id } of loans) delete draft.layers[id];
  });
  const lent = loans.flatMap(({ borrowed }) => (borrowed === undefined ? [] : unmarkBorrowed(borrowed)));
  await perform(world, locks, lent);
}
