/**
 * What another tool put on a volume's head (an overlay, as backup tools do) becomes the volume's own: the guest goes on
 * as it is, and nothing that it wrote since is left behind.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { type FoundInstance, findAgain, type Look } from "../instances/find.ts";
import { stillDefined } from "../instances/still-defined.ts";
import { newLayer } from "../layers/record.ts";
import type { Action } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import { type Layer, recordSchemas, type State, type Volume } from "../model/state.ts";
import { freezeFile, thawFile } from "../modes.ts";
import { run } from "../operations/operation.ts";
import { planFirst } from "../operations/planned-first.ts";
import { perform, type Step } from "../operations/steps.ts";
import type { HeldLocks, Kind, World } from "../ports.ts";
import { requireAgreement } from "../truth.ts";
import { namesOtherFiles, type Overlays, overlaysOf } from "./overlays.ts";

interface TakenDisk {
  readonly volume: string; // id
  readonly device: string;
  readonly head: Layer; // as it was recorded
  readonly layers: readonly Layer[]; // on it, bottom first; the last is the new head
}

interface TakeInData {
  readonly uuid: string;
  readonly disks: readonly TakenDisk[];
}

/** Nothing outside the record has happened before it is recorded, and what follows may be repeated. */
export const takeInKind: Kind<TakeInData> = {
  name: "volume.take-in",
  version: 1,
  data: v.object({
    uuid: v.string(),
    disks: v.array(
      v.object({
        volume: v.string(),
        device: v.string(),
        head: recordSchemas.layer,
        layers: v.array(recordSchemas.layer),
      }),
    ),
  }),
  async recover(world, locks, data) {
    const state = await world.store.read();
    if (!data.disks.every((disk) => state.volumes[disk.volume]?.head === topOf(disk).id)) return "back";
    await perform(world, locks, [...modes(data), ...(await stillDefined(world, definitions(data)))]);
    return "forward";
  },
};

/**
 * Reads a domain again whose layers are to be changed, under its lock, and takes in what another tool has put on its
 * disks, with a note; in a dry run that is planned, and what is returned is as it would be then. Throws as findAgain;
 * "conflict", before anything is changed, where that cannot be.
 */
export async function findToChange(
  world: World,
  locks: HeldLocks,
  uuid: string,
  how: Look = {},
): Promise<FoundInstance> {
  const found = await findAgain(world, locks, uuid, how);
  if (found.record === null || !namesOtherFiles(found.state, found.status)) return found;
  const overlays = await overlaysOf(world, found.state, found.status);
  if (overlays.length === 0) return found;
  const data = await takeIn(world, locks, found, overlays);
  const after = await findAgain(world, locks, uuid, how);
  return world.dryRun ? { ...after, status: asDefined(after.status, data) } : after;
}

/** As it is once its definition names the disks. */
function asDefined(status: DomainStatus, { disks }: TakeInData): DomainStatus {
  const tops = new Map(disks.map((disk) => [disk.device, topOf(disk).file]));
  const named = status.inactive.disks.map((disk) => ({ ...disk, source: tops.get(disk.device) ?? disk.source }));
  return { ...status, inactive: { ...status.inactive, disks: named } };
}

/** A volume and the domain that it is attached to; null where it is to none. */
export interface AttachedTo {
  readonly state: State;
  readonly volume: Volume;
  readonly status: DomainStatus | null;
}

/** The same of a volume, under its locks. */
export async function findAttached(world: World, locks: HeldLocks, state: State, volume: Volume): Promise<AttachedTo> {
  if (volume.instance === null) return { state, volume, status: null };
  const found = await findToChange(world, locks, volume.instance);
  return { state: found.state, volume: found.state.volumes[volume.id] ?? volume, status: found.status };
}

async function takeIn(
  world: World,
  locks: HeldLocks,
  { status, state }: FoundInstance,
  found: readonly Overlays[],
): Promise<TakeInData> {
  const refused = found.find((one) => one.refusal !== null);
  if (refused?.refusal) throw refused.refusal;
  const data: TakeInData = { uuid: status.uuid, disks: found.map((one) => takenDisk(world, state, one)) };
  const planned = await run<TakeInData, null>(world, locks, {
    kind: takeInKind,
    target: status.name,
    data,
    steps: steps(world, status, data),
    notes: notesOf(status, data, "becomes its own"),
    result: async () => null,
  });
  if (planned !== null) {
    await planFirst(world, planned, (draft) => recordIn(draft, data));
    return data;
  }
  for (const note of notesOf(status, data, "is its own now")) world.report.note(note);
  return data;
}

function notesOf({ name }: DomainStatus, { disks }: TakeInData, end: string): string[] {
  return disks.map(({ device, head, layers }) => {
    const files = layers.map(({ file }) => file).join(", ");
    return `${name}: ${device}: ${files}, which another tool put on ${head.file}, ${end}`;
  });
}

function takenDisk(world: World, state: State, { volume, device, files }: Overlays): TakenDisk {
  const head = state.layers[volume.head];
  if (head === undefined) throw new EstratoError("integrity", `volume ${volume.id}: its head is not recorded`);
  const layers: Layer[] = [];
  let parent = head;
  for (const [index, { path, sizeBytes, foreign }] of files.entries()) {
    const layer: Layer = {
      ...newLayer(world, { sizeBytes, frozen: index < files.length - 1, secret: null }),
      parent: parent.id,
      file: path,
      foreign,
    };
    layers.push(layer);
    parent = layer;
  }
  return { volume: volume.id, device, head, layers };
}

function steps(world: World, status: DomainStatus, data: TakeInData): Step[] {
  return [
    {
      id: "record",
      title: "Record what lies on the disks",
      run: () => world.store.update((draft) => recordIn(draft, data)),
    },
    { id: "freeze", title: "Freeze what it stands on", actions: modes(data) },
    { id: "redefine", title: "Define it with its disks", actions: definitions(data) },
    { id: "check", title: "Ask all witnesses", run: () => requireTaken(world, status) },
  ];
}

function recordIn(draft: State, { disks }: TakeInData): void {
  for (const disk of disks) {
    const volume = draft.volumes[disk.volume];
    const head = draft.layers[disk.head.id];
    if (volume?.head !== disk.head.id || head === undefined)
      throw new EstratoError("conflict", `volume ${disk.volume}: it has changed meanwhile`, { hint: "Try again." });
    head.frozen = true;
    for (const layer of disk.layers) draft.layers[layer.id] = layer;
    volume.head = topOf(disk).id;
  }
}

async function requireTaken(world: World, { uuid }: DomainStatus): Promise<void> {
  const status = await world.host.domainStatus(uuid);
  if (status !== null) await requireAgreement(world, await world.store.read(), status);
}

function modes({ disks }: TakeInData): Action[] {
  return disks.flatMap((disk) => [
    ...[disk.head, ...disk.layers].slice(0, -1).map(freezeFile),
    ...(topOf(disk).foreign === null ? [thawFile(topOf(disk))] : []),
  ]);
}

function definitions({ uuid, disks }: TakeInData): Action[] {
  const named = disks.map((disk) => ({ device: disk.device, path: topOf(disk).file, format: topOf(disk).format }));
  return [{ do: "redefine", domain: uuid, disks: named }];
}

function topOf({ head, layers }: TakenDisk): Layer {
  return layers.at(-1) ?? head;
}
