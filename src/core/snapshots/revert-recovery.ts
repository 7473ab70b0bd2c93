/** A revert that was killed, or that failed: undone where the guest still has what it had, else finished. */
import { EstratoError } from "../../errors.ts";
import { wordsOf } from "../../system-answer.ts";
import { definedUnder, filesUnder } from "../files-under.ts";
import { unmarkBorrowed } from "../graph/borrowed.ts";
import { imageOf } from "../graph/files.ts";
import { isUnwritten } from "../layers/heads.ts";
import { unlinkAll } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import { modeOf } from "../modes.ts";
import { perform, repeat } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { dropSnapshots } from "./drop.ts";
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

/**
 * The guest does not use the new heads, by themselves or below what another tool has put on them since: it still writes
 * to what it had, or is off and defined as before (we define before we stop it).
 */
async function backIsRight(world: World, data: RevertData, status: DomainStatus): Promise<boolean> {
  const files = await filesUnder(world, status);
  return !data.heads.some(({ after }) => files.has(after.file));
}

async function undo(world: World, locks: HeldLocks, data: RevertData, status: DomainStatus): Promise<void> {
  await defineBefore(world, locks, data, status);
  const files: string[] = [];
  for (const { after } of data.heads) {
    await requireUnheld(world, after.file);
    if (await isUnwritten(world, after)) files.push(after.file);
    else
      world.report.note(
        `${data.instanceName}: ${after.file} holds what the guest wrote while it was defined with it: kept for "estrato doctor"`,
      );
  }
  const { kept, loans = [] } = data;
  if (kept !== null) await world.store.update((draft) => dropSnapshots(draft, [kept.id]));
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

/**
 * Only where it is defined with the new heads: else others may have put something on what it had, which would be left
 * behind. Under the name that it has now, since libvirt refuses another.
 */
async function defineBefore(world: World, locks: HeldLocks, data: RevertData, status: DomainStatus): Promise<void> {
  const files = await definedUnder(world, status.inactive);
  if (!data.heads.some(({ after }) => files.has(after.file))) return;
  const isRenamed = world.host.parseDefinition(data.xmlBefore).name !== status.name;
  const xml = isRenamed ? world.host.editDefinition(data.xmlBefore, { name: status.name }) : data.xmlBefore;
  await perform(world, locks, [{ do: "define", xml }]);
}
