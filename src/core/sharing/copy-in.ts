/**
 * Another user's files become copies of ours under what stands on them: nothing above moves but a name in a header.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { unmarkBorrowed } from "../graph/borrowed.ts";
import { isSameChain } from "../graph/collect.ts";
import { freeze, redefining, relinked } from "../graph/effects.ts";
import { children, descendants, standingOn } from "../graph/references.ts";
import { stillDefined } from "../instances/still-defined.ts";
import { holdersOver } from "../layers/holders.ts";
import { unmarkBusy } from "../layers/record.ts";
import type { Action } from "../model/action.ts";
import { withChange } from "../model/drafts.ts";
import { givingUpSchema } from "../model/journal-data.ts";
import { type Layer, recordSchemas, type State } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { type Copied, copySteps, holdDisk } from "./copied-files.ts";
import type { FoundImage } from "./find.ts";

interface CopyInData {
  /** The layer that stands for the lender's files. */
  readonly lent: string;
  /** The layers on it. */
  readonly standing: readonly string[];
  /** The copies, bottom first. */
  readonly layers: readonly Layer[];
  /** What `busy` says on the layers while their headers are written. */
  readonly mark: string;
  /** Tells the lender: the state forgets where. */
  readonly cleanup: readonly Action[];
}

export const copyInKind: Kind<CopyInData> = {
  name: "layer.copy-in",
  version: 1,
  data: v.object({
    lent: v.string(),
    standing: v.array(v.string()),
    layers: v.array(recordSchemas.layer),
    mark: v.string(),
    cleanup: v.array(givingUpSchema),
  }),
  recover,
};

/** What is lent, as it was just found, and the state that says who stands on it. */
interface Lent {
  readonly state: State;
  readonly lent: Layer;
  readonly shared: FoundImage;
  readonly files: readonly string[];
}

/**
 * Copies the files and lets what stands on them stand on the copies, under the locks of all who do; nobody may run on
 * it. Afterwards the layer that stood for them is gone, all reads as before, and the lender is told. Throws, with
 * nothing changed, "host" where a copy is not what he said, "conflict" where a guest was started or
 * somebody is at work on the chain.
 */
export async function copyIn(world: World, locks: HeldLocks, { state, lent, shared, files }: Lent): Promise<void> {
  const mark = world.ids.next("op");
  const standing = children(state, lent.id);
  const copies: Copied[] = [];
  try {
    await holdDisk(world, shared, files, copies);
    const layers = copies.map(({ layer }) => layer);
    const cleanup = lent.borrowed === undefined ? [] : unmarkBorrowed(lent.borrowed);
    const data: CopyInData = { lent: lent.id, standing, layers, mark, cleanup };
    await run(world, locks, {
      ...{ id: mark, kind: copyInKind, target: shared.name, data },
      steps: [
        ...copySteps(world, shared, copies),
        { id: "mark-layers", title: "Mark the layers", run: () => markBusy(world, state, data) },
        {
          id: "look-for-guests",
          title: "See that nobody runs on them",
          run: () => requireNobody(world, lent.id),
        },
        { id: "relink", title: "Let what stands on them stand on the copies", actions: linking(state, data) },
        { id: "record", title: "Record it", run: () => record(world, data) },
        { id: "tell-lender", title: `Tell ${shared.owner} that they are not used any more`, actions: cleanup },
      ],
      result: async () => undefined,
    });
  } finally {
    for (const { held } of copies) await held.close();
  }
}

function atWork(state: State, lent: string): EstratoError {
  const who = standingOn(state, lent).join(", ");
  return new EstratoError("conflict", `${who}: something else is at work there`, { hint: "Try again." });
}

/** From here on no new file is made on what is about to be re-pointed, and nobody else moves it. */
async function markBusy(world: World, decided: State, { lent, standing, mark }: CopyInData): Promise<void> {
  await world.store.update((draft) => {
    const isBusy = [lent, ...descendants(draft, lent)].some((id) => draft.layers[id]?.busy != null);
    if (isBusy || !isSameChain(decided, draft, lent)) throw atWork(draft, lent);
    for (const id of [lent, ...standing]) {
      const layer = draft.layers[id];
      if (layer !== undefined) layer.busy = mark;
    }
  });
}

/** Copying may have taken hours, and anybody can start a guest. */
async function requireNobody(world: World, lent: string): Promise<void> {
  const state = await world.store.read();
  if ((await holdersOver(world, state, lent)).length === 0) return;
  throw new EstratoError("conflict", `${standingOn(state, lent).join(", ")}: it was started meanwhile`, {
    hint: "Pull it in while it runs: estrato doctor --repair.",
  });
}

/** `done`: what stands on the copies already, and may be held by a guest. */
function linking(state: State, data: CopyInData, done: readonly string[] = []): Action[] {
  const then = withChange(state, (draft) => recordIn(draft, data));
  const top = data.layers.at(-1);
  const standing = data.standing.flatMap((id) => then.layers[id] ?? []);
  return [
    ...standing.flatMap((one) => (top === undefined || done.includes(one.id) ? freeze(one) : relinked(top, one))),
    ...standing.flatMap(({ id }) => redefining(then, id)),
  ];
}

async function record(world: World, data: CopyInData): Promise<void> {
  await world.store.update((draft) => recordIn(draft, data));
}

function recordIn(draft: State, { lent, standing, layers }: CopyInData): void {
  for (const layer of layers) draft.layers[layer.id] = { ...layer };
  for (const id of standing) {
    const layer = draft.layers[id];
    if (layer !== undefined) Object.assign(layer, { parent: layers.at(-1)?.id ?? null, busy: null });
  }
  delete draft.layers[lent];
}

/** A header that names the copies is the point of no return: a guest started since reads them. Repeatable. */
async function recover(world: World, locks: HeldLocks, data: CopyInData): Promise<Outcome> {
  const state = await world.store.read();
  if (state.layers[data.lent] !== undefined) {
    const done = await linkedOf(world, state, data);
    if (done.length === 0) {
      await undo(world, locks, state, data);
      return "back";
    }
    await perform(world, locks, await stillDefined(world, linking(state, data, done)));
    await record(world, data);
  }
  await perform(world, locks, data.cleanup);
  return "forward";
}

async function linkedOf(world: World, state: State, { standing, layers }: CopyInData): Promise<string[]> {
  const linked: string[] = [];
  for (const { id, file, format } of standing.flatMap((one) => state.layers[one] ?? [])) {
    const info = await world.host.imageInfo(file, { shared: true, format });
    if (info !== null && info.backing === layers.at(-1)?.file) linked.push(id);
  }
  return linked;
}

async function undo(world: World, locks: HeldLocks, state: State, { standing, layers, mark }: CopyInData) {
  const frozen = standing.flatMap((id) => state.layers[id] ?? []).flatMap(freeze);
  const gone = layers.flatMap(({ file }) => [`${file}.part`, file]);
  await perform(world, locks, [...frozen, ...gone.map((path): Action => ({ do: "unlink", path }))]);
  await world.store.update((draft) => {
    unmarkBusy(draft, mark);
  });
}
