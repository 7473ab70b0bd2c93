/**
 * One free or merge, journaled: the order of steps that makes a kill at any instant harmless (core/graph/effects.ts
 * says why).
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { isSameChain } from "../graph/collect.ts";
import type { Abandon, Free, Merge, ResumeFacts } from "../graph/decisions.ts";
import { type Effects, mergeEffects } from "../graph/effects.ts";
import { instanceDisk } from "../graph/references.ts";
import { resumeMerge } from "../graph/resume.ts";
import { stillDefined } from "../instances/still-defined.ts";
import type { Action } from "../model/action.ts";
import { withChange } from "../model/drafts.ts";
import type { JournalEntry } from "../model/journal.ts";
import { givingUpSchema } from "../model/journal-data.ts";
import type { Layer, State } from "../model/state.ts";
import { thawFile } from "../modes.ts";
import { closeEntry, openedEntry } from "../operations/entries.ts";
import { dataOf } from "../operations/entry-data.ts";
import { run } from "../operations/operation.ts";
import { perform, type Step } from "../operations/steps.ts";
import type { HeldLocks, Kind, OpenEntry, Outcome, World } from "../ports.ts";
import { standsOn } from "../same-file.ts";
import { requireLeft, requireUnheld } from "../snapshots/unheld.ts";
import { readFacts } from "./holders.ts";
import { isTakenOff, requireNoOutsiders, wayOut } from "./merge-obstacles.ts";
import { requireRoom } from "./merge-room.ts";
import { titlesOf } from "./merge-steps.ts";
import { findPivot, goingOn, letGoOn, mustChoose, mustPause, pivoted, takenApart } from "./pivot.ts";
import { hasPulled } from "./pulled.ts";
import { unmarkBusy } from "./record.ts";
import { forgetSecret, requireSecrets } from "./secrets.ts";

interface MergeData {
  readonly decision: Free | Merge;
  /** What `busy` says on the layers while this is under way. */
  readonly mark: string;
  /** The guest was running, is suspended around the pivot, and has to go on. */
  readonly pause: boolean;
  /** From the decided effects: the state forgets these paths. */
  readonly cleanup: readonly Action[];
  readonly unheld: readonly string[];
  /** That opens the layer: it goes with the last layer that names it. */
  readonly secret?: string | null;
}

const diskSchema = v.object({ instance: v.string(), device: v.string() });
export const mergeKind: Kind<MergeData> = {
  name: "layer.merge",
  version: 1,
  data: v.object({
    decision: v.variant("kind", [
      v.object({ kind: v.literal("free"), layer: v.string() }),
      v.object({
        kind: v.literal("merge"),
        layer: v.string(),
        child: v.string(),
        way: v.picklist(["up", "down"]),
        live: v.nullable(diskSchema),
        head: v.boolean(),
        carried: v.array(v.string()),
        moved: v.boolean(),
        bytes: v.number(),
      }),
    ]),
    mark: v.string(),
    pause: v.boolean(),
    cleanup: v.array(givingUpSchema),
    unheld: v.array(v.string()),
    secret: v.exactOptional(v.nullable(v.string())),
  }),
  recover: (world, locks, data, entry) => finishMerge(world, locks, data, entry, false),
};

/**
 * Carries out a decision that was made from `state` under the locks of all who stand on the layer. Afterwards the layer
 * is gone, and all else reads as before. False where somebody has begun something else on its chain since: then nothing
 * has changed.
 */
export async function carryOut(world: World, locks: HeldLocks, state: State, decision: Free | Merge): Promise<boolean> {
  const effects = mergeEffects(state, decision);
  // Somebody new stands on it: the next collecting asks again
  if (effects.locks.some((name) => !locks.names.includes(name))) return false;
  const id = world.ids.next("op");
  const titles = titlesOf(state, decision);
  const pause = await mustPause(world, decision);
  const secret = state.layers[decision.layer]?.secret ?? null;
  if (decision.kind === "merge") {
    await requireSecrets(world, [{ secret }]);
    await requireRoom(world, state, decision);
  }
  if (decision.kind === "merge" && decision.live === null && (await isTakenOff(world, state, decision, false))) {
    const [file, below] = [decision.child, decision.layer].map((one) => state.layers[one]?.file);
    throw new EstratoError("integrity", `${file}: it does not stand on ${below}, as is recorded`, {
      hint: 'Run "estrato doctor".',
    });
  }
  const data: MergeData = { decision, mark: id, pause, cleanup: effects.cleanup, unheld: effects.unheld, secret };
  let isOutrun = false;
  const mark = async () => {
    isOutrun = !(await markBusy(world, state, decision.layer, effects, id));
    if (isOutrun) throw new EstratoError("conflict", `layer ${decision.layer}: something else is at work on its chain`);
  };
  let looking: Promise<void> | null = null;
  const lookForHolders = () => requireAllUnheld(world, effects.unheld, decision);
  const recordIt = async () => {
    // Nobody opens it any more: no definition or header has named it since all that stood on it was re-pointed. A QEMU
    // that has just merged it may still be closing it.
    if (decision.kind === "free" || (decision.live === null && looksOnce(decision))) {
      looking = lookForHolders();
      looking.catch(() => undefined); // its step throws it
    }
    await recordMerge(world, effects, id);
  };
  const steps: Step[] = [
    { id: "mark-layers", title: "Mark the layers", run: mark },
    {
      id: "merge",
      title: titles.work,
      actions: takenApart(effects.work, state, decision, pause),
      ...(decision.kind === "merge" ? { bytes: decision.bytes } : {}),
    },
    {
      id: "relink",
      title: "Re-point what stands on it",
      actions: [...effects.settle, ...goingOn(state, decision, pause)],
    },
    { id: "record", title: "Record", run: recordIt },
    {
      id: "look-for-holders",
      title: "Look whether anybody holds the old file",
      run: () => looking ?? lookForHolders(),
    },
    { id: "remove-file", title: titles.last, actions: effects.cleanup },
    ...(secret === null
      ? []
      : [{ id: "forget-secret", title: "Forget its secret", run: () => forgetSecret(world, locks, secret) }]),
  ];
  if (decision.kind === "free") await noteMissing(world, state, decision.layer);
  try {
    const result = async () => undefined;
    await run(world, locks, { id, kind: mergeKind, target: decision.layer, data, steps, result });
  } catch (error) {
    if (isOutrun) return false;
    throw error;
  }
  return true;
}

/** One that was put away to a file system that is not mounted now would lie there for ever, and nobody would know. */
async function noteMissing(world: World, state: State, id: string): Promise<void> {
  const layer = state.layers[id];
  if (layer === undefined || layer.borrowed !== undefined) return;
  const { file } = layer;
  if ((await world.host.fileInfo(file)) !== null) return;
  world.report.note(
    `${file}: is not there to be removed; where it lies on a disk that is not mounted now, remove it by hand`,
  );
}

/**
 * False where the chain is no longer what was decided on: two marks on a layer, and one command would take away what
 * the other moves.
 */
async function markBusy(world: World, decided: State, layer: string, effects: Effects, mark: string): Promise<boolean> {
  return world.store.update((draft) => {
    if (!isSameChain(decided, draft, layer)) return false;
    // Nor may anybody have come to point at it: the change must fit the graph as it is now.
    withChange(draft, effects.after);
    for (const id of effects.marks) {
      const marked = draft.layers[id];
      if (marked !== undefined) marked.busy = mark;
    }
    return true;
  });
}

async function recordMerge(world: World, effects: Effects, mark: string): Promise<void> {
  await world.store.update((draft) => {
    effects.after(draft);
    unmarkBusy(draft, mark);
  });
}

/** What stands below a head, or between frozen layers, no guest has written to since it was frozen: one look tells. */
function looksOnce(decision: Free | Merge): boolean {
  return decision.kind === "merge" && !decision.head && pivoted(decision) === null;
}

async function requireAllUnheld(world: World, paths: readonly string[], decision: Free | Merge): Promise<void> {
  for (const path of paths) await requireUnheld(world, path, looksOnce(decision) ? 1 : 2);
}

/** Ends a merge where a person has chosen: the guest goes on in the layer's file, where it was being moved to. */
export async function chooseMoved(world: World, locks: HeldLocks, entry: JournalEntry): Promise<void> {
  await finishMerge(world, locks, dataOf(mergeKind, entry), openedEntry(world, mergeKind, entry), true);
  await closeEntry(world, entry);
}

/** The two layers of a pending pivot of which only a person can say which is the guest's; null for anything else. */
export async function undecided(
  world: World,
  state: State,
  entry: JournalEntry,
): Promise<{ readonly layer: Layer; readonly child: Layer } | null> {
  if (entry.kind !== "layer.merge") return null;
  const { decision, mark } = dataOf(mergeKind, entry);
  const pair = pivotPair(state, decision);
  if (pair === null || pair.layer.busy !== mark || (await isHeld(world, state, decision))) return null;
  return (await findPivot(world, pair.layer, pair.child)) === "unknown" ? pair : null;
}

/** The same way on, or back where it had not begun. Throws "conflict" where a guest must stop first. */
async function finishMerge(
  world: World,
  locks: HeldLocks,
  data: MergeData,
  entry: OpenEntry<MergeData>,
  chosen: boolean,
): Promise<Outcome> {
  const { decision, mark, cleanup, unheld } = data;
  const state = await world.store.read();
  const layer = state.layers[decision.layer];
  if (layer !== undefined) {
    if (layer.busy !== mark) return "back";
    let last = data;
    let effects: Effects | null = null;
    let isGivenUp = false;
    const child = decision.kind === "free" ? undefined : state.layers[decision.child];
    try {
      if (decision.kind === "merge") await requireNoOutsiders(world, state, decision);
      const resumed = decision.kind === "free" ? decision : await resume(world, locks, state, decision, chosen);
      if (resumed !== null) {
        effects = mergeEffects(state, resumed);
        isGivenUp = resumed.kind === "abandon";
        const pause = resumed.kind !== "abandon" && (await mustPause(world, resumed));
        if (pause) {
          // Its guest may have been started since: what the next recovery must know is another thing now.
          last = { ...data, decision: resumed, pause };
          await entry.remember(last);
        }
        const work = resumed.kind === "abandon" ? effects.work : takenApart(effects.work, state, resumed, pause);
        await perform(world, locks, work);
        await perform(world, locks, await stillDefined(world, effects.settle));
      }
    } finally {
      // Before it is recorded: after that nobody asks whether the guest goes on
      await letGoOn(world, last.decision, child, last.pause);
    }
    if (effects !== null) await recordMerge(world, effects, mark);
    if (isGivenUp) return layer.borrowed !== undefined ? "halfway" : "back";
  }
  const instance = decision.kind === "merge" ? (decision.live?.instance ?? null) : null;
  for (const path of unheld) await requireLeft(world, locks, instance, path);
  await perform(world, locks, cleanup);
  await forgetSecret(world, locks, data.secret ?? null);
  return "forward";
}

async function resume(
  world: World,
  locks: HeldLocks,
  state: State,
  decision: Merge,
  chosen: boolean,
): Promise<Merge | Abandon | null> {
  if (decision.live !== null) {
    const { instance, device } = decision.live;
    // libvirt may have worked on after our death. A commit of a head never ends by itself: it waits for a pivot. Nor is
    // what is borrowed waited for.
    const abort = (decision.way === "down" && decision.head) || state.layers[decision.layer]?.borrowed !== undefined;
    await perform(world, locks, [{ do: "settle-job", domain: instance, device, abort }]);
  }
  const pair = pivotPair(state, decision);
  if (pair !== null && !(await isHeld(world, state, decision))) {
    const found = chosen ? "done" : await findPivot(world, pair.layer, pair.child);
    if (found === "unknown") throw mustChoose(pair.layer, pair.child);
    if (found === "done") return { ...decision, live: null, carried: [], moved: true };
  }
  const facts = await readFacts(world, state, [decision.layer, decision.child], { trustQemu: true });
  // QEMU writes the child, so there was no pivot: what it writes from now on must not be doubted later.
  if (pair !== null && (facts.holders.get(decision.child) ?? []).some((one) => one.role === "head")) {
    await perform(world, locks, [thawFile(pair.child)]);
  }
  if (decision.way === "up") await refuseTorn(world, state, decision, facts);
  const resumed = resumeMerge(state, facts, decision);
  if (resumed?.kind === "merge" && resumed.live === null && !resumed.moved) {
    // It reads the layer no more, and what has come of the merge so far is nobody's.
    if (await isTakenOff(world, state, resumed, true))
      return { kind: "abandon", layer: decision.layer, child: decision.child, relink: false };
  }
  if (resumed?.kind !== "defer") return resumed;
  throw new EstratoError("conflict", `layer ${decision.layer}: ${resumed.reason}`, {
    hint: await wayOut(world, state, decision, resumed.by),
  });
}

/**
 * A QEMU that was killed at the end of a pull may have left the head's header switched, and the tables of what it had
 * pulled unwritten (measured on 7.2). With nobody on it the pull is repeated from the layer, which is there until all
 * is recorded. Throws "conflict" where a guest was started on such a head: the layer is needed, and he must stop first.
 */
async function refuseTorn(world: World, state: State, decision: Merge, facts: ResumeFacts): Promise<void> {
  const [layer, child] = [state.layers[decision.layer], state.layers[decision.child]];
  const holders = facts.holders.get(decision.child) ?? [];
  if (layer === undefined || child === undefined || holders.length === 0) return;
  const info = await world.host.imageInfo(child.file, { shared: true, format: child.format });
  if (info !== null && (await standsOn(world, info, layer.file))) return;
  if (await hasPulled(world, child, [layer])) return;
  throw new EstratoError("conflict", `layer ${layer.id}: QEMU died while it was merged, and what it holds is needed`, {
    hint: `Stop first: ${holders.map((one) => instanceDisk(state, one.instance, one.device)).join(", ")}.`,
  });
}

function pivotPair(state: State, decision: Free | Merge): { readonly layer: Layer; readonly child: Layer } | null {
  if (pivoted(decision) === null || decision.kind === "free") return null;
  const [layer, child] = [state.layers[decision.layer], state.layers[decision.child]];
  return layer === undefined || child === undefined ? null : { layer, child };
}

async function isHeld(world: World, state: State, decision: Free | Merge): Promise<boolean> {
  const { holders } = await readFacts(world, state, [decision.layer], { trustQemu: true });
  return (holders.get(decision.layer) ?? []).length > 0;
}
