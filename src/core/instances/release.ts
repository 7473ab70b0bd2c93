/** `instance adopt` and `instance release`: into the layer graph and out of it again. */
import { EstratoError } from "../../errors.ts";
import { dropBookmarks } from "../backups/bookmarks.ts";
import { chain, descendants, nameOf, pointersAt } from "../graph/references.ts";
import { collect } from "../layers/collect.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Layer, State, Volume } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { isPlan, type PlanView, perform, planView, runUnjournaled } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { snapshotLabel } from "../snapshots/find.ts";
import { snapshotsOf } from "../snapshots/names.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { isAttachedByUs } from "../volumes/attachment.ts";
import { findToChange } from "../volumes/take-in.ts";
import { ensureAdopted } from "./adopt.ts";
import { findInstance, findNow, isLive } from "./find.ts";
import { isMarked, marking, othersMarks } from "./marks.ts";
import { wrongState } from "./power.ts";
import { planDefinition, type ReleaseData, releaseKind, releaseSteps } from "./release-steps.ts";
import { goneMarks, mayTakeOver, unmarking } from "./take-over.ts";
import { volumesOf } from "./volumes-of.ts";

/**
 * Takes a guest into the graph now, rather than with the first verb that needs layers. One that is adopted already is
 * left alone. `takeOver`: from a store that is gone, after a yes; null where the answer was no.
 */
export async function adoptInstance(
  world: World,
  target: string,
  { takeOver = false }: { readonly takeOver?: boolean } = {},
): Promise<PlanView | null> {
  const { status: first, state: before } = await findInstance(world, target);
  const gone = takeOver ? await goneMarks(world, before, first) : [];
  if (gone.length > 0 && !(await mayTakeOver(world, before, first, gone))) return null;
  return withLocks(world, [first.uuid], async (locks) => {
    const steps = unmarking(first, gone);
    const mark = {
      id: "mark",
      title: `Mark ${first.name} as this store's`,
      actions: marking(world, before, first.uuid, true),
    };
    if (world.dryRun && gone.length > 0) return planView(world, [...steps, mark]);
    for (const { actions } of steps) await perform(world, locks, actions);
    const { status } = await findToChange(world, locks, first.uuid);
    refuseUnsafe(status);
    await ensureAdopted(world, locks, status);
    return world.dryRun
      ? planView(world, [], [`${status.name}: its disks would become volumes; no file is touched`])
      : null;
  });
}

/**
 * Forgets an adopted guest. Afterwards its disks are the files it had before, with the owner and mode they had, and
 * hold what the guest last wrote, as does its NVRAM; its definition is as it was; estrato knows nothing of it. One that
 * is not adopted is left alone. Throws "conflict" for an instance that estrato made, or rebuilt, and where something
 * stands on its layers or a merge waits for it to stop, or it runs on an NVRAM of ours.
 */
export async function releaseInstance(world: World, target: string): Promise<PlanView | null> {
  const { status: first, record, state: before } = await findInstance(world, target);
  if (record === null) return isMarked(before, first) ? unmark(world, first) : null;
  if (record.origin === "created") {
    throw wrongState(
      first.name,
      "estrato made it, so there are no original disks to give back",
      "Delete it, or save its disks with image create and image save.",
    );
  }
  // It may have been stopped by others than us since: what waited for that can be merged now. A bookmark must not be in
  // the way: without it the next backup is a full one, and would be after an adoption anyway.
  if (!world.dryRun) {
    await world.store.update((draft) => dropBookmarks(draft, first.uuid));
    await collect(world);
  }
  return withLocks(world, [first.uuid], async (locks) => {
    const elsewhere = (await othersMarks(world, before, first)).length > 0;
    const { status, state } = elsewhere
      ? await findNow(world, first.uuid)
      : await findToChange(world, locks, first.uuid);
    refuseUnsafe(status);
    if (!elsewhere) await requireAgreement(world, state, status); // else it has disks of that one's
    const volumes = [...volumesOf(state, status.uuid).values()];
    requireOnOriginals(state, status.uuid, status.name, volumes);
    requireNothingOnThem(state, status, volumes);
    const heads = volumes.map((volume) => originalOf(state, volume, status));
    const data: ReleaseData = {
      uuid: status.uuid,
      name: status.name,
      volumes: volumes.map(({ id }) => id),
      heads,
      ...(elsewhere ? { nvram: null, xml: null } : await planDefinition(world, status, state.instances[status.uuid])),
      wasLive: isLive(status),
      elsewhere,
    };
    const plan = await run<ReleaseData, null>(world, locks, {
      kind: releaseKind,
      target: status.name,
      data,
      steps: releaseSteps(world, state, data),
      result: async () => null,
    });
    if (isPlan(plan)) return plan;
    world.report.note(`${status.name}: released; its disks are ${heads.map((layer) => layer.file).join(", ")}`);
    return null;
  });
}

/** Of a guest that this store does not remember (any more). */
async function unmark(world: World, { uuid }: DomainStatus): Promise<PlanView | null> {
  return withLocks(world, [uuid], async (locks) => {
    const actions = marking(world, await world.store.read(), uuid, false);
    return runUnjournaled(world, locks, [{ id: "unmark", title: "Take this store's mark off it", actions }], null);
  });
}

/**
 * Throws "conflict" where a disk was rebuilt: what it had before estrato is in a snapshot alone, and others' things
 * stand on what it has now.
 */
function requireOnOriginals(state: State, uuid: string, name: string, volumes: readonly Volume[]): void {
  const { undo = null } = state.instances[uuid] ?? {};
  for (const volume of volumes) {
    if (originalBelow(state, volume.head) !== undefined) continue;
    const holding = snapshotsOf(state, uuid).filter(({ disks }) =>
      disks.some((disk) => disk.volume === volume.id && originalBelow(state, disk.layer) !== undefined),
    );
    const last = holding.at(-1);
    if (last === undefined) continue;
    const back = holding.some(({ id }) => id === undo)
      ? `Take that back first: estrato snapshot unrevert ${name}.`
      : `Go back to what stands on that first: estrato snapshot revert ${snapshotLabel(state, last)}.`;
    throw wrongState(name, `it was rebuilt, and ${volume.device} stands on its original file no more`, back);
  }
}

/** Snapshots and images on its layers, and volumes that are no disks of its own from before. */
function requireNothingOnThem(state: State, { uuid, name, inactive }: DomainStatus, volumes: readonly Volume[]): void {
  const own = new Set(volumes.map((volume) => volume.id));
  const others = new Set<string>();
  for (const volume of volumes) {
    if (isAttachedByUs(inactive, volume)) continue; // it may stand on another guest's
    for (const layer of ownLayers(state, volume)) {
      for (const id of [layer, ...descendants(state, layer)]) {
        for (const pointer of pointersAt(state, id)) {
          if (pointer.kind !== "volume" || !own.has(pointer.id)) others.add(nameOf(state, pointer));
        }
      }
    }
  }
  for (const snapshot of Object.values(state.snapshots)) {
    if (snapshot.instance === uuid) others.add(nameOf(state, { kind: "snapshot", id: snapshot.id }));
  }
  if (others.size === 0) return;
  throw wrongState(name, `these stand on its disks: ${[...others].join(", ")}`, "Delete them first.");
}

/**
 * Down to the file that it had before: what that stands on itself is a template, and others may stand there too. None
 * of a template's own guest, who has written nothing since, and of a volume that estrato made.
 */
function ownLayers(state: State, volume: Volume): string[] {
  const ids = chain(state, volume.head);
  if (state.layers[volume.head]?.frozen) return [];
  const original = ids.findIndex((id) => state.layers[id]?.foreign != null);
  return original < 0 ? [] : ids.slice(0, original + 1);
}

/** The layer itself, or the first below it, that was there before estrato. */
function originalBelow(state: State, layer: string): Layer | undefined {
  return chain(state, layer)
    .flatMap((id) => state.layers[id] ?? [])
    .find(({ foreign }) => foreign !== null);
}

/** The foreign layer that is the volume's head again. Throws "conflict" where it is not (yet). */
function originalOf(state: State, volume: Volume, status: DomainStatus): Layer {
  const { name } = status;
  const head = state.layers[volume.head];
  if (head === undefined)
    throw new EstratoError("integrity", `volume ${volume.id}: its head ${volume.head} is not recorded`);
  if (head.foreign !== null) return head;
  const original = originalBelow(state, head.id);
  if (original === undefined || isAttachedByUs(status.inactive, volume)) {
    throw wrongState(
      name,
      `${volume.device} is volume ${volume.name ?? volume.id}, which estrato ${original === undefined ? "made" : "attached"}`,
      `Detach it first: estrato volume detach ${name} ${volume.name ?? volume.id}.`,
    );
  }
  if (original.foreign?.template !== undefined) {
    throw wrongState(
      name,
      `what ${volume.device} holds cannot go back into ${original.file}, on which others stood`,
      `Save it as a file that stands on nothing: estrato image save, of an image of ${name}.`,
    );
  }
  throw wrongState(
    name,
    `${volume.device} has not been merged into its original file yet`,
    isLive(status) ? `Stop it first: estrato instance stop ${name}.` : 'See "estrato usage" for what it waits for.',
  );
}
