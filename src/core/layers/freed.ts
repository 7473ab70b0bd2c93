/**
 * What dropping something would free, and how: the figures of `exclusive_bytes` and of a deletion's dry run, from one
 * reckoning.
 */
import { reckoning } from "../graph/accounting.ts";
import { applyDecision, readUnder } from "../graph/apply.ts";
import { collect, nextStep } from "../graph/collect.ts";
import type { CollectFacts, Holder } from "../graph/decisions.ts";
import { allPointers, chain, layerGraph, type Pointer } from "../graph/references.ts";
import { deepCopy } from "../model/deep-copy.ts";
import type { State } from "../model/state.ts";
import type { Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { candidates } from "./candidates.ts";
import { readDeviceBytes, readFacts } from "./holders.ts";
import { mergeSteps } from "./merge-steps.ts";
import { outsidersOn } from "./outsiders.ts";
import { mustPause } from "./pivot.ts";
import { readSizes } from "./sizes.ts";

export interface FreedPlan {
  /** Now and once nobody stands in the way; null where a file that it depends on cannot be read, which a note says. */
  readonly bytes: number | null;
  readonly steps: readonly Step[];
  readonly notes: readonly string[];
}

/** Of what no plan shows step by step: it hangs on files that are yet to be made. */
export const COLLECTED_LATER = "What nothing needs any more then is freed or merged by itself.";

/** An instance that holds other files by then than now: those of its disks, by device; none where it is off. */
export interface Moved {
  readonly instance: string; // UUID
  readonly heads: ReadonlyMap<string, string>;
}

/** It is off by then. */
export const turnedOff = (instance: string): Moved => ({ instance, heads: new Map() });

/**
 * What collecting would do once `drop` has removed some pointers from a draft, or moved heads to new layers; nothing is
 * changed.
 */
export async function freedByDropping(
  world: World,
  state: State,
  drop: (draft: State) => void,
  moved: Moved | null = null,
): Promise<FreedPlan> {
  const draft = deepCopy(state);
  drop(draft);
  const left = new Set(allPointers(draft).map(({ pointer }) => pointer.id));
  const gone = allPointers(state)
    .map(({ pointer }) => pointer)
    .filter(({ id }) => !left.has(id));
  // A snapshot of two disks is two pairs, and one pointer.
  const pointers = [...new Map(gone.map((pointer) => [pointer.id, pointer])).values()];
  const before = new Set(candidates(state));
  const fresh = () => candidates(draft).filter((id) => !before.has(id));
  // Who is dropped himself is no outsider: what he names is asked by the state that still knows him.
  const named = await outsidersOn(world, state, Object.keys(draft.layers));
  const { layers: made } = await world.store.read();
  const { pointers: pointed } = layerGraph(draft);
  const read = await readFacts(
    world,
    draft,
    Object.keys(draft.layers).filter((id) => !pointed.has(id)),
  );
  const known = readUnder(draft);
  const facts: CollectFacts = {
    ownBytes: (layer) => read.ownBytes(known(layer)),
    deviceBytes: (layer) => read.deviceBytes(known(layer)),
    holders: moved === null ? read.holders : holdersThen(draft, read.holders, moved),
    // What is planned is made before that.
    isThere: (layer) => !Object.hasOwn(made, known(layer)) || (read.isThere?.(known(layer)) ?? true),
    outsiders: (layer) => named.get(known(layer)) ?? [],
  };
  const steps: Step[] = [];
  for (;;) {
    const decision = nextStep(collect(draft, facts).filter((one) => fresh().includes(one.layer)));
    if (decision === undefined) break;
    steps.push(...mergeSteps(draft, decision, await mustPause(world, decision)));
    applyDecision(draft, decision);
  }
  const waiting = collect(draft, facts).filter((one) => fresh().includes(one.layer) && one.kind === "defer");
  const [bytes = null] = await exclusiveOf(world, state, [pointers]);
  const notes = waiting.map((one) => (one.kind === "defer" ? `Later: ${one.reason} (${one.by.join(", ")}).` : ""));
  if (bytes === null) notes.push("How much that frees nobody knows: a file that it depends on cannot be read.");
  return { bytes, steps, notes };
}

/** Who holds what, once this instance runs on these heads. */
function holdersThen(draft: State, now: CollectFacts["holders"], { instance, heads }: Moved): CollectFacts["holders"] {
  const holders = new Map(
    [...now].map(([id, all]): [string, readonly Holder[]] => [id, all.filter((one) => one.instance !== instance)]),
  );
  for (const [device, head] of heads)
    for (const id of chain(draft, head)) {
      const role = id === head ? "head" : "backing";
      holders.set(id, [...(holders.get(id) ?? []), { instance, device, role }]);
    }
  return new Map([...holders].filter(([, all]) => all.length > 0));
}

/**
 * For each list of pointers, the bytes that are only theirs: now, and once nobody stands in the way. Null where a file
 * that it depends on cannot be read: nothing is concluded from what was not seen (DESIGN.md, invariant 14).
 */
export async function exclusiveOf(
  world: World,
  state: State,
  lists: readonly (readonly Pointer[])[],
): Promise<(number | null)[]> {
  const { exclusiveBytes, layersToMeasure } = reckoning(state, await readDeviceBytes(world, state));
  const needed = lists.map(layersToMeasure);
  const layers = [...new Set(needed.flat())].map((id) => state.layers[id]).filter((layer) => layer !== undefined);
  const sizes = await readSizes(world, layers);
  return lists.map((pointers, index) => {
    if (needed[index]?.some((id) => sizes.unread.has(id))) return null;
    return exclusiveBytes(pointers, sizes) + memoryBytes(state, pointers);
  });
}

/** Memory is nobody's but its snapshot's. */
function memoryBytes(state: State, pointers: readonly Pointer[]): number {
  return pointers.reduce(
    (sum, { kind, id }) => sum + (kind === "snapshot" ? (state.snapshots[id]?.memory?.sizeBytes ?? 0) : 0),
    0,
  );
}
