/**
 * `shelve --offload`: the layers of a shelved instance become self-standing compressed files, and the space of the old
 * ones comes back.
 */
import { basename, dirname, join } from "node:path";
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { imageOf, secretOf } from "../graph/files.ts";
import { chain } from "../graph/references.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import { freedByDropping, turnedOff } from "../layers/freed.ts";
import { isUnwritten } from "../layers/heads.ts";
import { newHeadLayer, newLayer } from "../layers/record.ts";
import { connected } from "../layers/sizes.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import { deepCopy } from "../model/deep-copy.ts";
import { withChange } from "../model/drafts.ts";
import type { Layer, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { FROZEN } from "../modes.ts";
import { run } from "../operations/operation.ts";
import { isPlan, perform, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { type Shelf, shelfOf } from "./record.ts";

/** One disk: the layer it is shelved in, the packed copy of that, and the volume's new empty head on the copy. */
interface Pack {
  readonly device: string;
  readonly volume: string;
  readonly from: Layer;
  readonly packed: Layer;
  readonly head: Layer;
}

/** What the journal remembers of it. */
interface OffloadData {
  readonly uuid: string;
  readonly name: string;
  readonly image: string;
  readonly packs: readonly Pack[];
}

export const offloadKind: Kind<OffloadData> = {
  name: "instance.offload",
  version: 1,
  data: v.object({
    uuid: v.string(),
    name: v.string(),
    image: v.string(),
    packs: v.array(
      v.object({
        device: v.string(),
        volume: v.string(),
        from: recordSchemas.layer,
        packed: recordSchemas.layer,
        head: recordSchemas.layer,
      }),
    ),
  }),
  recover: recoverOffload,
};

/**
 * Packs the disks of a shelved instance, into `folder` or (null) the store; one that is packed, or no longer shelved,
 * is left alone. The old layers go where no snapshot or image needs them, and only after the copy was compared with
 * them. A note says how much space came back. Throws "conflict" for a disk that stands on a file from before estrato,
 * "host" where there is no room for the copies.
 */
export async function packShelf(world: World, uuid: string, folder: string | null): Promise<void> {
  const state = await world.store.read();
  const shelf = shelfOf(state, uuid);
  if (shelf === null) return;
  if (shelf.shelved.offloaded) return noteWhere(world, state, shelf, folder);
  const disks = shelf.image.disks.map(({ layer }) => layer);
  // All that may go with the old layers: what they stand on, and what stands on that.
  const layers = connected(state, disks).map(({ id }) => id);
  const before = await allocated(world, state, layers);
  const data = await withLocks(world, [uuid, shelf.image.id], async (locks) => {
    const now = await world.store.read();
    if (shelfOf(now, uuid)?.shelved.offloaded !== false) return null;
    const plan = await planOffload(world, now, uuid, folder);
    const steps = offloadSteps(world, plan);
    const result = async () => plan;
    return run<OffloadData, OffloadData>(world, locks, {
      kind: offloadKind,
      target: plan.name,
      data: plan,
      steps,
      result,
    });
  });
  if (data === null || isPlan(data)) return;
  const then = await world.store.read();
  const made = data.packs.flatMap(({ packed, head }) => [packed.id, head.id]);
  const after = await allocated(world, then, [...layers, ...made]);
  world.report.note(`${data.name}: ${spaceWords(before - after, folder)}`);
}

/** Who names another folder than the disks lie in must not believe that they went there. */
function noteWhere(world: World, state: State, shelf: Shelf, folder: string | null): void {
  const [packed] = shelf.image.disks.map(({ layer }) => dirname(state.layers[layer]?.file ?? ""));
  if (folder === null || packed === undefined || packed === folder) return;
  world.report.note(`${shelf.record.name}: its disks are packed already, in ${packed}, and stay there`);
}

function spaceWords(cameBackBytes: number, folder: string | null): string {
  const size = humanSize(Math.abs(cameBackBytes));
  if (cameBackBytes >= 0) return `packed${folder === null ? "" : ` into ${folder}`}; ${size} came back`;
  return `packed, but no space came back: the copies take ${size} more, since other things still need what the disks stood on`;
}

/** Bytes in the store of those of these layers that are still there. */
async function allocated(world: World, state: State, layers: readonly string[]): Promise<number> {
  let sum = 0;
  for (const id of layers) {
    const layer = state.layers[id];
    const isHere =
      layer !== undefined && (layer.foreign !== null || dirname(layer.file) === world.store.paths.layersFolder);
    if (isHere) sum += (await world.host.fileInfo(layer.file))?.allocatedBytes ?? 0;
  }
  return sum;
}

/**
 * Decides it all, and refuses what cannot be; touches nothing. The instance must be shelved in `state`; its files need
 * not be so yet.
 */
async function planOffload(world: World, state: State, uuid: string, folder: string | null): Promise<OffloadData> {
  const shelf = shelfOf(state, uuid);
  if (shelf === null)
    throw new EstratoError("conflict", `instance ${uuid}: it is not shelved`, { hint: 'See "estrato instance list".' });
  const { record, shelved, image } = shelf;
  if (shelved.offloaded) return { uuid, name: record.name, image: image.id, packs: [] };
  const volumes = volumesOf(state, uuid);
  const packs: Pack[] = [];
  let packedBytes = 0;
  for (const { device, layer } of image.disks) {
    const what = `instance ${record.name}: disk ${device}`;
    const [from, volume] = [state.layers[layer], volumes.get(device)];
    const head = state.layers[volume?.head ?? ""];
    if (from === undefined || volume === undefined || head?.parent !== layer) {
      throw new EstratoError("integrity", `${what}: it is not what was shelved`, { hint: 'Run "estrato doctor".' });
    }
    requirePackable(state, from, what);
    packedBytes += await world.host.convertedBytes(imageOf(from));
    packs.push(planPack(world, device, volume.id, from, head, folder));
  }
  const headBytes = packs.length * EMPTY_HEAD_BYTES;
  if (folder !== null) await requireSpace(world, packedBytes, `packing ${record.name}`, folder);
  await requireSpace(world, headBytes + (folder === null ? packedBytes : 0), `packing ${record.name}`);
  return { uuid, name: record.name, image: image.id, packs };
}

function requirePackable(state: State, layer: Layer, what: string): void {
  const layers = chain(state, layer.id).map((id) => state.layers[id]);
  const foreign = layers.find((one) => one?.foreign != null);
  if (foreign === undefined) return;
  throw new EstratoError(
    "conflict",
    `${what}: it stands on ${foreign.file}, which was there before estrato and stays`,
    {
      hint: "Shelve it without --offload.",
    },
  );
}

function planPack(world: World, device: string, volume: string, from: Layer, head: Layer, folder: string | null): Pack {
  const stored = newLayer(world, { sizeBytes: from.sizeBytes, frozen: true, secret: from.secret });
  // Named by its id there too: nothing that is there can have that name.
  const packed = folder === null ? stored : { ...stored, file: join(folder, basename(stored.file)) };
  return { device, volume, from, packed, head: newHeadLayer(world, packed, head.sizeBytes) };
}

/**
 * How an instance is packed once `shelve` has shelved it in a draft of `state`, and what is collected then, for a plan;
 * [] where none is wanted. Throws as planOffload.
 */
export async function packingSteps(
  world: World,
  state: State,
  uuid: string,
  folder: string | null,
  shelve: (draft: State) => void = () => undefined,
): Promise<readonly Step[]> {
  const then = withChange(state, shelve);
  const data = await planOffload(world, then, uuid, folder);
  if (!world.dryRun) return [];
  const drop = (draft: State) => {
    Object.assign(draft, deepCopy(then)); // what `shelve` has put there is somebody's yet
    recordPacked(draft, data);
  };
  const { steps } = await freedByDropping(world, state, drop, turnedOff(uuid));
  return [...offloadSteps(world, data), ...steps];
}

function offloadSteps(world: World, data: OffloadData): Step[] {
  if (data.packs.length === 0) return [];
  return [
    {
      id: "pack-disks",
      title: `Pack the disks of ${data.name}`,
      actions: data.packs.map(({ from, packed }): Action => {
        const copy = { from: from.file, fromFormat: from.format, to: packed.file, toFormat: packed.format };
        // What is encrypted cannot be compressed: there only the layers become one, without what newer ones have
        // replaced.
        const how =
          packed.secret === null ? { compress: true } : { compress: false, encrypt: { secret: packed.secret } };
        return { do: "convert", ...copy, ...how, ...secretOf(from), mode: FROZEN };
      }),
    },
    { id: "compare-copies", title: "Compare the copies with the disks", run: () => requireSame(world, data) },
    {
      id: "make-new-heads",
      title: "Make new heads",
      actions: data.packs.map(({ packed, head }): Action => {
        const backing = { path: packed.file, format: packed.format };
        return { do: "create-disk", path: head.file, backing, sizeBytes: head.sizeBytes, ...secretOf(head) };
      }),
    },
    {
      id: "record-layers",
      title: "Record the packed layers",
      run: () => world.store.update((draft) => recordPacked(draft, data)),
    },
  ];
}

async function requireSame(world: World, data: OffloadData): Promise<void> {
  const { layers, volumes } = await world.store.read();
  for (const { device, volume, from, packed } of data.packs) {
    const old = layers[volumes[volume]?.head ?? ""];
    const same =
      old !== undefined &&
      (await isUnwritten(world, old)) &&
      (await world.host.sameContent(imageOf(old), imageOf(packed)));
    const info = await world.host.imageInfo(packed.file, { format: packed.format });
    const asPlanned = info?.backing === null && info.encrypted === (packed.secret !== null);
    if (same && asPlanned && info.virtualSizeBytes >= from.sizeBytes) continue;
    throw new EstratoError("integrity", `instance ${data.name}: the packed copy of ${device} is not what was packed`, {
      hint: "Nothing was kept of it. Try again.",
    });
  }
}

/** The volumes, the image and the record point at the packed layers from here on. Idempotent. */
function recordPacked(draft: State, data: OffloadData): void {
  const image = draft.images[data.image];
  const shelved = draft.instances[data.uuid]?.shelved;
  if (image === undefined || shelved == null) {
    throw new EstratoError("integrity", `instance ${data.name}: it is no longer shelved`);
  }
  for (const { device, volume, packed, head } of data.packs) {
    draft.layers[packed.id] = packed;
    draft.layers[head.id] = head;
    const one = draft.volumes[volume];
    if (one !== undefined) one.head = head.id;
    const disk = image.disks.find((each) => each.device === device);
    if (disk !== undefined) disk.layer = packed.id;
  }
  shelved.offloaded = true;
}

/** Recorded: done. Not recorded: the old layers are as they were, and the copies go. Repeatable. */
async function recoverOffload(world: World, locks: HeldLocks, data: OffloadData): Promise<Outcome> {
  const { layers } = await world.store.read();
  if (data.packs.every(({ packed }) => layers[packed.id] !== undefined)) return "forward";
  const files = data.packs.flatMap(({ packed, head }) => [head.file, `${packed.file}.part`, packed.file]);
  await perform(world, locks, unlinkAll(files));
  return "back";
}
