/**
 * From a decision to what the host has to do, what the state becomes, and in which order.
 *
 * 1. In one transaction on the state: decide again, mark `busy` on `marks`; locks on `locks` are held already. Journal:
 *    the decision and `cleanup`.
 * 2. `work`: the data moves. "up": the child's file gets what it lacks and reads the same at every instant. "down": the
 *    layer's own content is void from the first byte, but nothing points at it and the child still has its own file,
 *    which masks whatever was half written: reading through the child's old file is right at all times, until step 4.
 * 3. `settle`: siblings are re-pointed, definitions name the file that is the child's from now on, modes are put back.
 *    Idempotent, each of them. For a head going "down" the redefinition is the point of no return: a guest started
 *    after it writes into the new file.
 * 4. `after`, on the state: from here the record names the new file.
 * 5. Files in `unheld` are asked with `qemu-img info` without -U, twice after a pivot; then `cleanup`: the old file
 *    goes last of all. Journal closed.
 *
 * A kill in between: recovery asks `resumeMerge` (resume.ts), which keeps to the same way and knows from QEMU and the
 * definition whether step 2 had ended, and goes through steps 2 to 5 again. Where the layer is no longer in the state
 * only step 5 is left: `cleanup` from the journal.
 *
 * A pivot is taken apart by layers/pivot.ts: the guest is suspended around it, and resumed only when QEMU's top and
 * libvirt's persistent definition are both the new file. Then a guest that is off and whose definition names the old
 * file has written nothing into the new one, and committing again loses nothing (LIBVIRT.md, trap 12).
 */
import { EstratoError } from "../../errors.ts";
import type { Action } from "../model/action.ts";
import { withChange } from "../model/drafts.ts";
import type { DiskFile } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
import { freezeFile, giveBack, thawFile } from "../modes.ts";
import { applyDecision } from "./apply.ts";
import { unmarkBorrowed } from "./borrowed.ts";
import type { Abandon, Free, Merge } from "./decisions.ts";
import { diskFileOf, secretOf } from "./files.ts";
import { children, descendantHeads } from "./references.ts";

/**
 * A domain whose persistent definition is to be written without <backingStore> (encrypted disks: with the right one),
 * and the files of its disks from now on.
 */
interface Redefinition {
  readonly uuid: string;
  readonly disks: readonly (DiskFile & { readonly device: string })[];
}

export interface Effects {
  readonly work: readonly Action[];
  readonly settle: readonly Action[];
  /** Mutates the draft; repeating changes nothing; throws "integrity" where the graph is not the decided one. */
  readonly after: (draft: State) => void;
  /** Plain data, all idempotent: belongs into the journal, since the state forgets these paths in `after`. */
  readonly cleanup: readonly Action[];
  /** Files that nobody may hold when `cleanup` begins. */
  readonly unheld: readonly string[];
  /** Also among `settle`: here for who wants to compare afterwards. */
  readonly domainsToRedefine: readonly Redefinition[];
  /** UUIDs of the instances that stand on the layer, and ids of its free volumes; sorted. */
  readonly locks: readonly string[];
  /** Layers to be marked `busy`: no new file may be made on them. */
  readonly marks: readonly string[];
}

/**
 * The effects of a decision or of what recovery made of it. Throws "integrity" where the decision's layers are not in
 * the state.
 */
export function mergeEffects(state: State, decision: Free | Merge | Abandon): Effects {
  const layer = known(state, decision.layer);
  if (decision.kind === "abandon") return giveUpMerge(state, layer, known(state, decision.child), decision.relink);
  const after = (draft: State) => applyDecision(draft, decision);
  const locks = locksOf(state, layer.id);
  if (decision.kind === "free") {
    const unheld = layer.foreign === null && layer.borrowed === undefined ? [layer.file] : [];
    return {
      work: [],
      settle: [],
      after,
      cleanup: giveUp(layer),
      unheld,
      domainsToRedefine: [],
      locks,
      marks: [layer.id],
    };
  }
  const child = known(state, decision.child);
  const then = withChange(state, after);
  const domainsToRedefine = redefinitions(then, child.id);
  const moving =
    decision.way === "up" ? moveUp(state, layer, child, decision) : moveDown(state, layer, child, decision);
  const old = decision.way === "up" ? layer : child;
  return {
    work: decision.moved ? [] : moving.work,
    settle: [...moving.settle, ...domainsToRedefine.map(redefine)],
    after,
    cleanup: giveUp(old),
    unheld: old.borrowed === undefined ? [old.file] : [],
    domainsToRedefine,
    locks,
    marks: [layer.id, child.id],
  };
}

function giveUpMerge(state: State, layer: Layer, child: Layer, relink: boolean): Effects {
  const after = (draft: State) => {
    for (const { id } of [layer, child]) known(draft, id).busy = null;
  };
  const loan = layer.borrowed !== undefined;
  // QEMU may have come further than the state: its header is to name the layer again, and no definition may say that it
  // stands on nothing.
  const domainsToRedefine = loan ? redefinitions(state, child.id) : [];
  return {
    work: loan && relink ? [...thaw(child), relinkTo(layer, child)] : [],
    settle: [...freeze(child), ...domainsToRedefine.map(redefine)],
    after,
    cleanup: [],
    unheld: [],
    domainsToRedefine,
    locks: locksOf(state, layer.id),
    marks: [layer.id, child.id],
  };
}

/** The definitions of all domains that read the layer, as they must be. */
export function redefining(state: State, layer: string): Action[] {
  return redefinitions(state, layer).map(redefine);
}

function redefine({ uuid, disks }: Redefinition): Action {
  return { do: "redefine", domain: uuid, disks };
}

interface Moving {
  readonly work: readonly Action[];
  readonly settle: readonly Action[];
}

function moveUp(state: State, layer: Layer, child: Layer, { live }: Merge): Moving {
  const below = layer.parent === null ? null : known(state, layer.parent);
  const backing = below === null ? null : { path: below.file, format: below.format };
  // What is borrowed may take hours: nobody need wait for it, since all reads the same half-way too.
  const how = layer.borrowed !== undefined ? ({ mayStop: true } as const) : {};
  if (live !== null) {
    const { instance: domain, device } = live;
    return { work: [{ do: "block-pull", domain, device, base: backing?.path ?? null, ...how }], settle: [] };
  }
  return {
    // A pull that died with its QEMU may have switched the header before its last tables were written: over the layer
    // the child always reads right.
    work: [
      ...thaw(child),
      relinkTo(layer, child),
      { do: "rebase", file: child.file, backing, ...secretOf(child), ...how },
    ],
    settle: freeze(child),
  };
}

/** Lets a layer that nobody holds stand on another one. Idempotent. */
export function relinked(layer: Layer, child: Layer): Action[] {
  return [...thaw(child), relinkTo(layer, child), ...freeze(child)];
}

function relinkTo(layer: Layer, child: Layer): Action {
  return { do: "relink", file: child.file, backing: { path: layer.file, format: layer.format }, ...secretOf(child) };
}

function moveDown(state: State, layer: Layer, child: Layer, { live, head, carried }: Merge): Moving {
  const backing = { path: layer.file, format: layer.format };
  const siblings = children(state, child.id).map((id) => known(state, id));
  const relinked = siblings.filter(({ id }) => !carried.includes(id));
  // QEMU writes the new name into the header of the layer above: a frozen one must let it.
  const opened = siblings.filter(({ id }) => carried.includes(id));
  return {
    // qemu-img opens what it commits for writing, though it writes nothing there: a user who is not root needs the
    // mode.
    work: [
      thawFile(layer),
      ...(live === null ? thaw(child) : []),
      ...opened.flatMap(thaw),
      commit(layer, child, live, head),
    ],
    settle: [
      ...relinked.flatMap((one): Action[] => [
        ...thaw(one),
        { do: "relink", file: one.file, backing, ...secretOf(one) },
        ...freeze(one),
      ]),
      ...opened.flatMap(freeze),
      head ? thawFile(layer) : freezeFile(layer),
    ],
  };
}

function commit(layer: Layer, child: Layer, live: Merge["live"], head: boolean): Action {
  if (live === null) {
    return { do: "commit", top: child.file, topFormat: child.format, base: layer.file, ...secretOf(child) };
  }
  const { instance: domain, device } = live;
  if (head) return { do: "block-commit-active", domain, device, base: layer.file };
  return { do: "block-commit", domain, device, top: child.file, base: layer.file };
}

/**
 * All domains that read the layer, each with all of its disks that do: a stale <backingStore> in any of them keeps it
 * from starting.
 */
function redefinitions(state: State, layer: string): Redefinition[] {
  const disks = new Map<string, Redefinition["disks"][number][]>();
  for (const { instance, device, head } of descendantHeads(state, layer)) {
    if (instance === null || device === null) continue;
    if (state.instances[instance]?.shelved != null) continue; // it has no domain
    const file = diskFileOf(state, known(state, head));
    disks.set(instance, [...(disks.get(instance) ?? []), { device, ...file }]);
  }
  return [...disks].map(([uuid, own]) => ({ uuid, disks: own }));
}

/** Whoever stands on the layer must not run off, start or switch while its files change. */
function locksOf(state: State, layer: string): string[] {
  return [...new Set(descendantHeads(state, layer).map(({ id, instance }) => instance ?? id))].sort();
}

/**
 * Our own file goes; a user's own stays where it is and gets its owner and mode back; of one that is borrowed only our
 * word goes that we use it.
 */
function giveUp({ file: path, foreign, borrowed }: Layer): Action[] {
  if (borrowed !== undefined) return unmarkBorrowed(borrowed);
  if (foreign === null) return [{ do: "unlink", path }];
  if (foreign.template === "others") return [];
  return giveBack(path, foreign, foreign.uid === -1); // adopted while it ran
}

function thaw(layer: Layer): Action[] {
  return layer.frozen ? [thawFile(layer)] : [];
}

export function freeze(layer: Layer): Action[] {
  return layer.frozen ? [freezeFile(layer)] : [];
}

function known(state: State, id: string): Layer {
  const layer = state.layers[id];
  if (layer === undefined) throw new EstratoError("integrity", `layer ${id}: it is not recorded`);
  return layer;
}
