/** The steps of a revert, in the order in which each crash has an answer (DESIGN.md, section 5). */
import { markBorrowed } from "../graph/borrowed.ts";
import { looseSeeds } from "../instances/seed.ts";
import { isUnwritten, whenUnmerged } from "../layers/heads.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import type { Instance, Layer, State } from "../model/state.ts";
import { FROZEN, freezeFile, thawFile } from "../modes.ts";
import { perform, type Step } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { dropSnapshots, unlinkRecords } from "./drop.ts";
import type { MadeOf } from "./goal.ts";
import { adoptHeads, createHead, definitionByVolume, type HeadChange, requireUnmoved } from "./heads.ts";
import type { RevertData } from "./revert-plan.ts";

/** The step that brings the guest back. */
export const START = "start";
export const RESUME = "resume";

export function revertSteps(world: World, locks: HeldLocks, data: RevertData): Step[] {
  const { heads, kept, nvram, keep } = data;
  const steps: Step[] = [];
  if (kept !== null) {
    steps.push({
      id: "keep-definition",
      title: "Keep the definition",
      run: () => world.store.writeRecord(`${kept.id}.xml`, definitionByVolume(world, data.xmlBefore, heads)),
    });
  }
  steps.push(...recordFirst(world, data));
  steps.push({ id: "make-new-heads", title: "Make new heads", actions: heads.map(createHead) });
  if (touchesTpm(data)) steps.push({ id: "hold-new-heads", title: "Hold the new heads", actions: heads.map(holdHead) });
  const copies: Action[] = [];
  if (nvram?.from != null) copies.push({ do: "copy-file", from: nvram.from, to: nvram.to, mode: 0o600 });
  if (keep.nvram !== null) copies.push({ do: "copy-file", ...keep.nvram, mode: 0o400 });
  if (copies.length > 0) steps.push({ id: "copy-nvram", title: "Copy the NVRAM", actions: copies });
  if (data.seed?.renewed != null) {
    const { path: to, renewed } = data.seed;
    steps.push({ id: "renew-seed", title: "Make a new seed", actions: [{ do: "renew-seed", to, ...renewed }] });
  }
  steps.push(
    { id: "keep-disks", title: "Keep what the disks hold", run: () => keepBefore(world, data) },
    { id: "define-new-heads", title: "Define the new heads", actions: [{ do: "define", xml: data.xmlAfter }] },
  );
  return [...steps, ...afterDefining(world, locks, data)];
}

/**
 * Nothing of the instance may stand on what the new heads will: then its lock keeps nobody from moving that, and what
 * an image or a snapshot holds may go while we work. Who moves layers sees the new heads on them from now on
 * (DESIGN.md, invariant 3), and a lender that he is read.
 */
function recordFirst(world: World, data: RevertData): Step[] {
  const loans: readonly Layer[] = data.loans ?? [];
  const marks = loans.flatMap(({ borrowed }) => (borrowed === undefined ? [] : [markBorrowed(borrowed)]));
  const record: Step = {
    id: "record-new-heads",
    title: "Record the new heads",
    run: () =>
      whenUnmerged(world, parentsOf(data), `instance ${data.instanceName}`, (draft) => {
        for (const loan of loans) draft.layers[loan.id] = loan;
        for (const head of data.heads) {
          requireUnmoved(draft, head, `instance ${data.instanceName}`);
          draft.layers[head.after.id] = head.after;
        }
      }),
  };
  return marks.length === 0 ? [record] : [{ id: "tell-lender", title: "Tell the lender", actions: marks }, record];
}

function parentsOf({ heads }: RevertData): string[] {
  return heads.map(({ backing }) => backing.id);
}

/** From the point of no return on: a guest that is started now starts on the new heads. Each step can be repeated. */
export function afterDefining(world: World, locks: HeldLocks, data: RevertData): Step[] {
  const { uuid, heads } = data;
  const steps: Step[] = [];
  if (data.was !== "off")
    steps.push({ id: "stop-guest", title: "Stop the guest", actions: [{ do: "destroy", domain: uuid }] });
  if (touchesTpm(data)) steps.push(...exchangeTpm(world, locks, data));
  steps.push(
    { id: "freeze-old-heads", title: "Freeze what it had", actions: heads.map((head) => freezeFile(head.before)) },
    { id: "record-revert", title: "Record the revert", run: () => record(world, locks, data) },
  );
  // Whoever boots for the first time makes host keys of its own, and an earlier one comes back with those that it had.
  if (data.seed !== undefined || data.loans !== undefined)
    steps.push({
      id: "forget-host-keys",
      title: "Forget the host keys it had",
      actions: [{ do: "unlink", path: world.store.paths.knownHosts(uuid) }],
    });
  if (data.nvram?.previous != null)
    steps.push({
      id: "remove-old-nvram",
      title: "Remove the NVRAM it had",
      actions: [{ do: "unlink", path: data.nvram.previous }],
    });
  if (data.memory) steps.push(resumeStep(world, locks, data, data.memory));
  else if (data.was !== "off")
    steps.push({
      id: START,
      title: "Start the guest",
      actions: [{ do: "start", domain: uuid, paused: data.was === "paused" }],
    });
  return steps;
}

function touchesTpm({ tpm, keep }: RevertData): boolean {
  return tpm !== null || keep.tpm !== null;
}

/**
 * libvirt knows one place for a TPM's state, so that no definition can switch it together with the disks. Until it is
 * exchanged the new heads are frozen, and nobody can start the guest on them: not the host that boots after a power
 * cut, nor a person who knows of no journal.
 */
function holdHead({ after }: HeadChange): Action {
  return { do: "set-mode", path: after.file, mode: FROZEN };
}

/**
 * A head that is not held any more says that it was done: the guest may have run since, and what its TPM has now is its
 * own.
 */
function exchangeTpm(world: World, locks: HeldLocks, data: RevertData): Step[] {
  const { uuid, heads, tpm, keep } = data;
  const exchange: Action[] = [];
  if (keep.tpm !== null) exchange.push({ do: "save-tpm", ...keep.tpm });
  if (tpm !== null) exchange.push({ do: "place-tpm", domain: uuid, ...tpm });
  const release = heads.map((head) => thawFile(head.after));
  return [
    {
      id: "exchange-tpm",
      title: "Exchange the TPM's state",
      shown: exchange,
      run: async () => {
        for (const { after } of heads) {
          const file = await world.host.fileInfo(after.file);
          if (file !== null && (file.mode & 0o200) !== 0) return;
        }
        await perform(world, locks, exchange);
      },
    },
    { id: "release-new-heads", title: "Release the new heads", actions: release },
  ];
}

function resumeStep(world: World, locks: HeldLocks, data: RevertData, memory: NonNullable<RevertData["memory"]>): Step {
  const { path, xml, paused } = memory;
  const actions: Action[] = [{ do: "restore-memory", domain: data.uuid, memory: path, xml, paused }];
  // The clock that it wakes up with is the one of the snapshot.
  if (!paused) actions.push({ do: "sync-clock", domain: data.uuid });
  return {
    id: RESUME,
    title: "Resume the guest from its memory",
    shown: actions,
    run: async () => {
      if (await stillAsMade(world, data)) await perform(world, locks, actions);
      else
        world.report.note(
          `${data.instanceName}: it was started on the reverted disks meanwhile, so its memory was not resumed; it would not fit them any more`,
        );
    },
  };
}

/**
 * Memory belongs to its disks (DESIGN.md, invariant 9): once a guest has run on the new heads, that instant is over.
 */
async function stillAsMade(world: World, data: RevertData): Promise<boolean> {
  const status = await world.host.domainStatus(data.uuid);
  if (status === null || status.live !== null) return false;
  for (const head of data.heads) if (!(await isUnwritten(world, head.after))) return false;
  return true;
}

/** The automatic snapshot is stored before the guest loses anything (DESIGN.md, invariant 4). Idempotent. */
async function keepBefore(world: World, data: RevertData): Promise<void> {
  const { kept } = data;
  if (kept === null) return;
  await world.store.update((draft) => {
    draft.snapshots[kept.id] = kept;
  });
}

/** The graph, `current`, what it is made of, and what can be undone. Idempotent. */
export function recordRevert(draft: State, data: RevertData): void {
  for (const loan of data.loans ?? []) draft.layers[loan.id] = loan;
  adoptHeads(draft, data.heads);
  const instance = draft.instances[data.uuid];
  if (instance !== undefined) {
    instance.current = data.current;
    instance.undo = data.kept?.id ?? null;
    if (data.seed !== undefined) instance.seed = data.seed.path;
    if (data.madeOf !== undefined) recordMadeOf(draft, instance, data.heads, data.madeOf);
  }
  if (data.kept !== null) draft.snapshots[data.kept.id] = data.kept;
  if (data.usedUp !== null) dropSnapshots(draft, [data.usedUp]);
}

function recordMadeOf(draft: State, instance: Instance, heads: readonly HeadChange[], { image, base }: MadeOf): void {
  instance.image = image;
  if (base === undefined) delete instance.base;
  else instance.base = base;
  const isSnapshot = image?.startsWith("snap-") === true;
  for (const head of heads) {
    const volume = draft.volumes[head.volume];
    if (volume === undefined) continue;
    volume.sourceImage = isSnapshot ? null : image;
    volume.sourceSnapshot = isSnapshot ? image : null;
  }
}

/** Idempotent: in one transaction. */
async function record(world: World, locks: HeldLocks, data: RevertData): Promise<void> {
  await world.store.update((draft) => recordRevert(draft, data));
  const { uuid, usedUp, seed } = data;
  if (usedUp !== null) await perform(world, locks, unlinkRecords(world, [usedUp]));
  if (usedUp === null && seed === undefined) return;
  const loose = await looseSeeds(world, await world.store.read(), uuid);
  await perform(world, locks, unlinkAll(loose));
}
