/** Takes a guest that estrato did not make, or a disk that was attached behind its back, into the layer graph. */
import { EstratoError } from "../../errors.ts";
import { chainOrNull, pointersAt } from "../graph/references.ts";
import {
  type ForeignFile,
  layersByFile,
  readForeignChain,
  requireChainInHeaders,
  requireUnwritten,
  takeInChain,
} from "../layers/foreign-chain.ts";
import { deepCopy } from "../model/deep-copy.ts";
import type { DomainDefinition, DomainDisk, DomainStatus } from "../model/host.ts";
import type { Instance, Layer, State, Volume } from "../model/state.ts";
import { planFirst } from "../operations/planned-first.ts";
import { planView } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { requireQemuMayEnter } from "../qemu-access.ts";
import { keepDefinition } from "./kept-definition.ts";
import { marking, requireNoOthersMark } from "./marks.ts";
import { requireInNoOtherStore } from "./other-stores.ts";
import { claim, storeAdoption } from "./stored-adoption.ts";
import { volumesOf } from "./volumes-of.ts";

/** An owner that is not ours to give back (chown(2) takes -1 for "as it is"). */
const LEFT_TO_LIBVIRT = { uid: -1, gid: -1 } as const;

/** For a disk without which there would be no guest. */
const COPY_IT = "Copy it into a qcow2 file of this host (qemu-img convert), and define that.";

const ENCRYPT_ANEW =
  "Make an encrypted volume (estrato volume create --encrypt), attach it, and copy the data over in the guest.";

/** Disks that snapshots cover: writable, this guest's alone, and with bytes that qemu-img can reach. */
export function coveredDisks(status: DomainStatus): DomainDisk[] {
  return coveredIn(status.inactive);
}

/** The same of one definition. */
export function coveredIn({ disks }: DomainDefinition): DomainDisk[] {
  return disks.filter((disk) => disk.role === "disk" && !disk.readonly && !disk.shareable);
}

/**
 * Disks of a recorded guest that somebody attached behind our back: who goes on from a snapshot or an image, of which
 * they are no part, leaves them as they are. None of a guest that is not recorded, all of whose disks are taken in.
 */
export function attachedByOthers(state: State, status: DomainStatus): string[] {
  if (state.instances[status.uuid] === undefined) return [];
  const known = volumesOf(state, status.uuid);
  return coveredDisks(status).flatMap(({ device }) => (known.has(device) ? [] : [device]));
}

/**
 * Makes sure that the instance and each of its writable disks are in the graph, under the instance's lock.
 * A disk that is new becomes a volume whose bottom layer is foreign: its file is never moved or deleted by us.
 * Returns the state in which it is so; a dry run stores nothing. Throws "host" for a disk that is neither file nor
 * block device (unless `except` names it), "conflict" for one that another instance uses, and for a guest of another
 * store's.
 */
export async function ensureAdopted(
  world: World,
  locks: HeldLocks,
  status: DomainStatus,
  except: readonly string[] = [],
): Promise<State> {
  const adoption = await planAdoption(world, status, except);
  if (!world.dryRun) await adoption.store(locks);
  return adoption.state;
}

/** An adoption that is planned: the state in which it is so, and what makes it so (nothing, where it is). */
export interface Adoption {
  readonly state: State;
  store(locks: HeldLocks): Promise<void>;
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
  // What a running guest gets with its next start is taken in then.
  const has = (device: string) => status.live === null || status.live.disks.some((disk) => disk.device === device);
  const unknown = coveredDisks(status).filter(
    ({ device }) => !known.has(device) && !except.includes(device) && has(device),
  );
  const unread = await unreadBelow(world, state, status, [...known.values()]);
  await requireQuietTemplates(world, state, status, [...known.values()]);
  await requireOthersInHeaders(world, status, [...known.keys(), ...unknown.map(({ device }) => device)]);
  const isNew = state.instances[status.uuid] === undefined;
  if (!isNew && unknown.length === 0 && unread.length === 0) return { state, store: async () => {} };
  await requireQemuMayEnter(world);
  if (!status.persistent) {
    throw new EstratoError("conflict", `instance ${status.name}: it is transient, libvirt forgets it when it stops`, {
      hint: `Make it persistent first: virsh dumpxml ${status.name} > F; virsh define F.`,
    });
  }
  await requireNoOthersMark(world, state, status);
  const draft = deepCopy(state);
  draft.instances[status.uuid] ??= newRecord(world, status);
  const files = await layersByFile(world, state);
  for (const { what, chain } of unread) takeInChain(world, draft, chain, files, what);
  for (const disk of unknown) {
    const hint = coveredDisks(status).length > 1 ? wayOut(disk.device) : null;
    const layer = await adoptDisk(world, draft, status, disk, files, hint);
    const volume = foreignVolume(world, status, disk.device, layer);
    draft.volumes[volume.id] = volume;
  }
  const note = isNew
    ? `${status.name}: adopted; its disks stay where they are ("estrato instance release ${status.name}" undoes this)`
    : `${status.name}: adopted ${unknown.map((disk) => disk.device).join(", ")}`;
  if (world.dryRun && isNew) {
    const mark = {
      id: "mark",
      title: `Mark ${status.name} as this store's`,
      actions: marking(world, state, status.uuid, true),
    };
    if (mark.actions.length > 0)
      await planFirst(world, await planView(world, [mark]), (known) => void Object.assign(known, deepCopy(draft)));
  }
  return {
    state: draft,
    async store(locks) {
      await storeAdoption(world, state, draft, files, status.name);
      await keepDefinition(world, draft, status);
      if (isNew) await claim(world, locks, state, draft, status);
      if (isNew || unknown.length > 0) world.report.note(note);
    },
  };
}

/** A disk that is left out is in the same definition, and loses its <backingStore> with the others. */
async function requireOthersInHeaders(world: World, status: DomainStatus, volumes: readonly string[]): Promise<void> {
  for (const disk of status.inactive.disks) {
    const { device, source, backing, backingEnds, secret } = disk;
    if ((backing === null && !backingEnds) || source === null || secret !== null || volumes.includes(device)) continue;
    await requireChainInHeaders(world, { ...disk, source }, `instance ${status.name}: disk ${device}`);
  }
}

/** Chains of which only the top was taken in, as estrato did until version 3 of the state. */
async function unreadBelow(world: World, state: State, { name }: DomainStatus, volumes: readonly Volume[]) {
  const unread: { readonly what: string; readonly chain: ForeignFile[] }[] = [];
  for (const { head, device } of volumes) {
    const bottom = state.layers[chainOrNull(state, head)?.at(-1) ?? ""];
    if (bottom === undefined || bottom.foreign === null || bottom.format !== "qcow2") continue;
    if ((await world.host.imageChain(bottom.file, bottom.format)).length < 2) continue;
    const what = `instance ${name}: disk ${device}`;
    const disk = { source: bottom.file, format: bottom.format, backing: null, backingEnds: false };
    unread.push({ what, chain: await readForeignChain(world, disk, what) });
  }
  return unread;
}

/** Once its write bits are gone nobody can begin to write a template; until then somebody may have. */
async function requireQuietTemplates(world: World, state: State, { name }: DomainStatus, volumes: readonly Volume[]) {
  for (const { head, device } of volumes) {
    for (const id of chainOrNull(state, head) ?? []) {
      const layer = state.layers[id];
      if (layer?.foreign?.template === undefined || id === head) continue;
      const file = await world.host.fileInfo(layer.file);
      if (file !== null && (file.mode & 0o222) !== 0)
        await requireUnwritten(world, layer.file, layer.format, `instance ${name}: disk ${device}`);
    }
  }
}

/**
 * The layer that a disk is, with all below it, in the draft. Nothing is touched. `wayOut`: the hint for a guest that
 * can do without it; null where it has no other disk.
 */
async function adoptDisk(
  world: World,
  draft: State,
  status: DomainStatus,
  disk: DomainDisk,
  files: Map<string, string>,
  wayOut: string | null,
): Promise<Layer> {
  const what = `instance ${status.name}: disk ${disk.device}`;
  const { type, source, format } = disk;
  if (disk.pool !== null && source === null) {
    const { name, volume, type: kind } = disk.pool;
    const why = kind === null ? "libvirt does not say where that is" : `the pool has the type ${kind}`;
    throw new EstratoError("host", `${what} is the volume ${volume} of the pool ${name}, and no file here: ${why}`, {
      hint: kind === null ? `Start the pool first: virsh pool-start ${name}.` : (wayOut ?? COPY_IT),
    });
  }
  if ((type !== "file" && type !== "block" && type !== "volume") || source === null) {
    throw new EstratoError("host", `${what} is a ${type} disk, and only files and block devices can be layered`, {
      hint: wayOut ?? COPY_IT,
    });
  }
  if (disk.unlayerable !== null) {
    throw new EstratoError("conflict", `${what} is defined with ${disk.unlayerable}, which no layer can stand for`, {
      hint: `Take that out of the definition: virsh edit ${status.name}.`,
    });
  }
  if (format !== "qcow2" && format !== "raw") {
    throw new EstratoError("host", `${what} has the format ${format}; only qcow2 and raw can be layered`, {
      hint: wayOut ?? COPY_IT,
    });
  }
  // Its owner may take the secret away, and every snapshot would need it as long as it is kept.
  if (disk.secret !== null)
    throw new EstratoError("conflict", `${what} was encrypted elsewhere, and its secret is not estrato's to keep`, {
      hint: `${wayOut === null ? "" : `${wayOut} Or: `}${ENCRYPT_ANEW}`,
    });
  const chain = await withOwners(world, status, await readForeignChain(world, { ...disk, source }, what));
  await requireInNoOtherStore(
    world,
    chain.map(({ path }) => path),
    what,
  );
  const other = draft.layers[files.get(chain[0]?.identity ?? "") ?? ""];
  if (other !== undefined && !isFree(draft, other)) {
    throw new EstratoError("conflict", `${what}: ${source} is already a layer of something else (${other.id})`, {
      hint: wayOut ?? 'See whose with "estrato doctor", and give this one a disk of its own.',
    });
  }
  return takeInChain(world, draft, chain, files, what);
}

/** May a foreign file be the head of one more volume: a template's own guest, or one that was here before. */
function isFree(draft: State, layer: Layer): boolean {
  if (layer.foreign === null) return false;
  return pointersAt(draft, layer.id).every(({ kind }) => kind !== "volume");
}

/** Is it a file on which others stand, and whose own guest has not been adopted: one that needs a snapshot to start? */
export function awaitsSnapshot(state: State, layer: Layer): boolean {
  return layer.frozen && layer.foreign?.template !== undefined && isFree(state, layer);
}

/**
 * While a guest runs its files belong to QEMU's user, and libvirt alone knows whom they belonged to: it gives them back
 * when the guest stops.
 */
export async function foreignOwner(
  world: World,
  status: DomainStatus,
  file: { readonly uid: number; readonly gid: number },
) {
  if (status.live !== null && (await world.host.capabilities()).qemuUser?.uid === file.uid) return LEFT_TO_LIBVIRT;
  return { uid: file.uid, gid: file.gid };
}

async function withOwners(world: World, status: DomainStatus, files: readonly ForeignFile[]): Promise<ForeignFile[]> {
  const owned: ForeignFile[] = [];
  for (const file of files)
    owned.push({ ...file, foreign: { ...file.foreign, ...(await foreignOwner(world, status, file.foreign)) } });
  return owned;
}

function newRecord(world: World, status: DomainStatus): Instance {
  const pools = Object.fromEntries(
    coveredDisks(status).flatMap(({ device, source: path, pool }) =>
      pool === null || path === null ? [] : [[device, { name: pool.name, volume: pool.volume, path }]],
    ),
  );
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
    original: {
      generationId: status.inactive.generationId,
      nvram: status.inactive.nvram,
      ...(Object.keys(pools).length === 0 ? {} : { pools }),
    },
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
