/** Takes a guest that estrato did not make, or a disk that was attached behind its back, into the layer graph. */
import { EstratoError } from "../../errors.ts";
import { newLayer } from "../layers/record.ts";
import type { DomainDisk, DomainStatus } from "../model/host.ts";
import type { Instance, Layer, State, Volume } from "../model/state.ts";
import type { World } from "../ports.ts";
import { filesOf, requireInNoOtherStore } from "./other-stores.ts";

/** An owner that is not ours to give back (chown(2) takes -1 for "as it is"). */
const LEFT_TO_LIBVIRT = { uid: -1, gid: -1 } as const;

/** Disks that snapshots cover: writable, this guest's alone, and with bytes that qemu-img can reach. */
export function coveredDisks(status: DomainStatus): DomainDisk[] {
  return status.inactive.disks.filter((disk) => disk.role === "disk" && !disk.readonly && !disk.shareable);
}

/** Volumes of an instance, by device. */
export function volumesOf(state: State, uuid: string): Map<string, Volume> {
  const found = new Map<string, Volume>();
  for (const volume of Object.values(state.volumes)) {
    if (volume.instance === uuid && volume.device !== null) found.set(volume.device, volume);
  }
  return new Map([...found].sort(([a], [b]) => a.length - b.length || a.localeCompare(b)));
}

/**
 * Makes sure that the instance and each of its writable disks are in the graph, under the instance's lock.
 * A disk that is new becomes a volume whose bottom layer is foreign: its file is never moved or deleted by us.
 * Returns the state in which it is so; a dry run stores nothing. Throws "host" for a disk that is neither file nor
 * block device (unless `except` names it), "conflict" for one that another instance uses.
 */
export async function ensureAdopted(
  world: World,
  status: DomainStatus,
  except: readonly string[] = [],
): Promise<State> {
  const adoption = await planAdoption(world, status, except);
  if (!world.dryRun) await adoption.store();
  return adoption.state;
}

/** An adoption that is planned: the state in which it is so, and what makes it so (nothing, where it is). */
export interface Adoption {
  readonly state: State;
  store(): Promise<void>;
}

/** What to do about a disk that cannot become a volume, where the verb can leave disks out. */
export function leaveOut(device: string): string {
  return `Leave it out: --exclude-disk ${device}.`;
}

/**
 * The same for who can still refuse for other reasons: nothing is stored before store(). `wayOut` is the hint for a
 * disk that cannot become a volume; without it, to detach the disk.
 */
export async function planAdoption(
  world: World,
  status: DomainStatus,
  except: readonly string[] = [],
  wayOut = (device: string) => `Detach it first: virsh detach-disk ${status.name} ${device} --config.`,
): Promise<Adoption> {
  const state = await world.store.read();
  const known = volumesOf(state, status.uuid);
  const unknown = coveredDisks(status).filter((disk) => !known.has(disk.device) && !except.includes(disk.device));
  if (state.instances[status.uuid] !== undefined && unknown.length === 0) return { state, store: async () => {} };
  if (!status.persistent) {
    throw new EstratoError("conflict", `instance ${status.name}: it is transient, libvirt forgets it when it stops`, {
      hint: `Make it persistent first: virsh dumpxml ${status.name} > F; virsh define F.`,
    });
  }
  const found: { layer: Layer; volume: Volume }[] = [];
  for (const disk of unknown) {
    const layer = await foreignLayer(world, state, status, disk, wayOut(disk.device));
    found.push({ layer, volume: foreignVolume(world, status, disk.device, layer) });
  }
  const record = newRecord(world, status);
  const change = (draft: State) => {
    draft.instances[status.uuid] ??= record;
    for (const { layer, volume } of found) {
      draft.layers[layer.id] = layer;
      draft.volumes[volume.id] = volume;
    }
  };
  const draft = structuredClone(state);
  change(draft);
  const note =
    state.instances[status.uuid] === undefined
      ? `${status.name}: adopted; its disks stay where they are ("estrato instance release ${status.name}" undoes this)`
      : `${status.name}: adopted ${unknown.map((disk) => disk.device).join(", ")}`;
  return {
    state: draft,
    async store() {
      await world.store.update(change);
      world.report.note(note);
    },
  };
}

async function foreignLayer(
  world: World,
  state: State,
  status: DomainStatus,
  disk: DomainDisk,
  hint: string,
): Promise<Layer> {
  const what = `instance ${status.name}: disk ${disk.device}`;
  if ((disk.type !== "file" && disk.type !== "block") || disk.source === null) {
    throw new EstratoError("host", `${what} is a ${disk.type} disk, and only files and block devices can be layered`, {
      hint,
    });
  }
  if (disk.format !== "qcow2" && disk.format !== "raw") {
    throw new EstratoError("host", `${what} has the format ${disk.format}; only qcow2 and raw can be layered`, {
      hint,
    });
  }
  const other = Object.values(state.layers).find((layer) => layer.file === disk.source);
  if (other !== undefined) {
    throw new EstratoError("conflict", `${what}: ${disk.source} is already a layer of something else (${other.id})`, {
      hint,
    });
  }
  await requireInNoOtherStore(world, await filesOf(world, { source: disk.source, format: disk.format }), what);
  const [info, file] = await Promise.all([
    world.host.imageInfo(disk.source, { shared: true, format: disk.format }),
    world.host.fileInfo(disk.source),
  ]);
  if (info === null || file === null) throw new EstratoError("host", `${what}: ${disk.source} is not there`);
  if (info.encrypted || disk.secret !== null) {
    throw new EstratoError("host", `${what} is encrypted, and its secret is not known here`, { hint });
  }
  return {
    ...newLayer(world, { sizeBytes: info.virtualSizeBytes, frozen: false, secret: null }),
    file: disk.source,
    format: disk.format,
    foreign: { ...(await ownerBefore(world, status, file)), mode: file.mode },
  };
}

/**
 * While a guest runs its files belong to QEMU's user, and libvirt alone knows whom they belonged to: it gives them back
 * when the guest stops.
 */
async function ownerBefore(world: World, status: DomainStatus, file: { readonly uid: number; readonly gid: number }) {
  if (status.live !== null && (await world.host.capabilities()).qemuUser?.uid === file.uid) return LEFT_TO_LIBVIRT;
  return { uid: file.uid, gid: file.gid };
}

function newRecord(world: World, status: DomainStatus): Instance {
  return {
    id: status.uuid,
    name: status.name,
    origin: "adopted",
    image: null,
    flavor: null,
    keyName: null,
    owner: world.user,
    createdAt: world.clock.now().toISOString(),
    properties: {},
    current: null,
    undo: null,
    addresses: [],
    seed: null,
    shelved: null,
  };
}

function foreignVolume(world: World, { uuid, inactive }: DomainStatus, device: string, layer: Layer): Volume {
  return {
    id: world.ids.next("vol"),
    name: null,
    head: layer.id,
    instance: uuid,
    device,
    deleteWithInstance: false,
    sourceSnapshot: null,
    sourceImage: null,
    uefi: inactive.firmware,
    owner: world.user,
    createdAt: layer.createdAt,
    properties: {},
  };
}
