/**
 * Who has which layer open: QEMU's word for running guests, and guests that are off but must not have files moved under
 * them.
 */
import { EstratoError } from "../../errors.ts";
import { borrowedBelow } from "../graph/borrowed.ts";
import type { Holder, ResumeFacts } from "../graph/decisions.ts";
import { chain, children, descendantHeads } from "../graph/references.ts";
import { whyAsleep } from "../instances/asleep.ts";
import { lostAmong } from "../instances/find.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DomainStatus, QemuDisk } from "../model/host.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { layersByFile } from "./foreign-chain.ts";
import { outsidersOn } from "./outsiders.ts";

/** The instances whose disks stand on any of these layers: UUIDs, sorted. */
export function instancesOn(state: State, layers: readonly string[]): string[] {
  const found = new Set<string>();
  for (const layer of layers) {
    for (const volume of descendantHeads(state, layer)) if (volume.instance !== null) found.add(volume.instance);
  }
  return [...found].sort();
}

/** The locks of all who stand on any of these layers: instances by UUID, free volumes by id; sorted. */
export function locksOn(state: State, layers: readonly string[]): string[] {
  const volumes = layers.flatMap((layer) => descendantHeads(state, layer));
  return [...new Set(volumes.map(({ id, instance }) => instance ?? id))].sort();
}

/**
 * Everything that the collector and the recovery of a merge ask about these layers. A guest of which libvirt names
 * another head than QEMU writes is blocked for new merges; recovery goes by QEMU alone (`trustQemu`), which is how it
 * rolls forward to QEMU's top. `outsiders`: asks too who names their files without being in the graph.
 */
export async function readFacts(
  world: World,
  state: State,
  layers: readonly string[],
  { trustQemu = false, outsiders = false }: { readonly trustQemu?: boolean; readonly outsiders?: boolean } = {},
): Promise<ResumeFacts> {
  const instances = instancesOn(state, layers);
  const statuses =
    instances.length === 0 ? new Map<string, DomainStatus>() : await world.host.domainStatuses(instances);
  const lost = await lostAmong(world, [...statuses.values()]);
  const holders = new Map<string, Holder[]>();
  const add = (layer: string, holder: Holder) => holders.set(layer, [...(holders.get(layer) ?? []), holder]);
  for (const uuid of instances) {
    const status = statuses.get(uuid);
    const found =
      status === undefined
        ? withoutDomain(state, uuid, trustQemu)
        : await holdersOfDomain(world, state, status, trustQemu, lost.get(uuid) ?? null);
    for (const [layer, holder] of found) add(layer, holder);
  }
  const near = withNeighbours(state, layers);
  const own = await readFiles(world, state, withBelow(state, near));
  const named = outsiders ? await outsidersNear(world, state, layers) : () => [];
  return {
    holders,
    outsiders: named,
    ownBytes: (id) => own.get(id)?.allocated ?? 0,
    deviceBytes: (id) => own.get(id)?.device ?? null,
    isThere: (id) => own.get(id)?.there ?? true,
    definedFile: (uuid, device) =>
      statuses.get(uuid)?.inactive.disks.find((disk) => disk.device === device)?.source ?? null,
  };
}

/** Who names the files of these layers, or of what stands on them, without being in the graph. */
export async function outsidersNear(
  world: World,
  state: State,
  layers: readonly string[],
): Promise<(layer: string) => readonly string[]> {
  const named = await outsidersOn(world, state, [...withNeighbours(state, layers)]);
  return (id) => named.get(id) ?? [];
}

/** Who runs on what stands on the layer, or must not have files moved under him. */
export async function holdersOver(world: World, state: State, layer: string): Promise<Holder[]> {
  const standing = children(state, layer);
  const { holders } = await readFacts(world, state, [layer, ...standing]);
  return standing.flatMap((id) => holders.get(id) ?? []);
}

/** Of the files that were there before us: only such a one can be a device. */
export async function readDeviceBytes(world: World, state: State): Promise<ResumeFacts["deviceBytes"]> {
  const foreign = Object.values(state.layers).filter((layer) => layer.foreign !== null);
  const own = await readFiles(
    world,
    state,
    foreign.map(({ id }) => id),
  );
  return (id) => own.get(id)?.device ?? null;
}

async function readFiles(world: World, state: State, layers: Iterable<string>) {
  const own = new Map<string, { there: boolean; allocated: number; device: number | null }>();
  for (const id of layers) {
    const layer = state.layers[id];
    if (layer === undefined || layer.borrowed !== undefined) continue; // not ours to weigh
    const file = await world.host.fileInfo(layer.file);
    own.set(id, {
      there: file !== null,
      allocated: file?.allocatedBytes ?? 0,
      device: file?.isBlockDevice === true ? file.sizeBytes : null,
    });
  }
  return own;
}

function withNeighbours(state: State, layers: readonly string[]): Set<string> {
  const asked = new Set(layers);
  const above = Object.values(state.layers).filter(({ parent }) => parent !== null && asked.has(parent));
  return new Set([...layers, ...above.map(({ id }) => id)]);
}

/** Each once, however many stand on it. */
function withBelow(state: State, layers: Iterable<string>): Set<string> {
  const found = new Set<string>();
  for (const layer of layers)
    for (let id: string | null = layer; id !== null && !found.has(id); id = state.layers[id]?.parent ?? null)
      found.add(id);
  return found;
}

async function holdersOfDomain(
  world: World,
  state: State,
  status: DomainStatus,
  trustQemu: boolean,
  lost: string | null,
): Promise<[string, Holder][]> {
  const found: [string, Holder][] = [];
  const blocked = lost ?? obstacle(status, trustQemu);
  const becauseOf = (device: string): { blocked?: string } => {
    const why = blocked ?? (trustQemu ? null : otherDisk(state, status, device));
    return why === null ? {} : { blocked: why };
  };
  if (status.live === null) {
    for (const [device, volume] of volumesOf(state, status.uuid)) {
      const because = becauseOf(device);
      if (because.blocked === undefined) continue;
      for (const layer of chain(state, volume.head)) {
        found.push([
          layer,
          { instance: status.uuid, device, role: layer === volume.head ? "head" : "backing", ...because },
        ]);
      }
    }
    return found;
  }
  // Several layers may stand for one borrowed file: which one is found by the disk.
  const volumes = volumesOf(state, status.uuid);
  const own = Object.values(state.layers).filter(({ borrowed }) => borrowed === undefined);
  const byFile = new Map(own.map((layer) => [layer.file, layer.id]));
  let disks: Awaited<ReturnType<World["host"]["qemuDisks"]>>;
  let asleep: string | null;
  try {
    disks = await world.host.qemuDisks(status.uuid);
    asleep = await whyAsleep(world, status);
  } catch (error) {
    if (!(error instanceof EstratoError)) throw error;
    // Take the record's word for what it holds, and move nothing under it.
    return blockedOn(state, status.uuid, "QEMU does not answer");
  }
  await addOtherNames(
    world,
    state,
    disks.filter(({ device }) => volumes.has(device)),
    byFile,
  );
  for (const disk of disks) {
    const live = status.live.disks.find((one) => one.device === disk.device)?.source;
    const lie =
      !trustQemu && live !== undefined && disk.chain[0] !== live && byFile.has(disk.chain[0] ?? "")
        ? { blocked: "libvirt names another head than QEMU writes" }
        : {};
    const loan = borrowedBelow(state, volumes.get(disk.device)?.head ?? "");
    disk.chain.forEach((file, index) => {
      const layer = byFile.get(file) ?? (index > 0 && loan?.file === file ? loan.id : undefined);
      if (layer !== undefined)
        found.push([
          layer,
          {
            instance: status.uuid,
            device: disk.device,
            role: index === 0 ? "head" : "backing",
            ...(asleep === null ? {} : { blocked: asleep }),
            ...becauseOf(disk.device),
            ...lie,
          },
        ]);
    });
  }
  return found;
}

/** Somebody has undefined it: the definition that it is to get again could not be told what was moved. */
function withoutDomain(state: State, uuid: string, trustQemu: boolean): [string, Holder][] {
  if (trustQemu || state.instances[uuid]?.shelved != null) return [];
  return blockedOn(state, uuid, "libvirt has no domain of it");
}

function blockedOn(state: State, uuid: string, blocked: string): [string, Holder][] {
  return [...volumesOf(state, uuid)].flatMap(([device, { head }]) =>
    chain(state, head).map((layer): [string, Holder] => [
      layer,
      { instance: uuid, device, role: layer === head ? "head" : "backing", blocked },
    ]),
  );
}

/**
 * Its next start would use another file, or none, than the head that is recorded: what it names may stand on the very
 * file that would go, and a merge could not tell the definition. Null where both are the same.
 */
function otherDisk(state: State, { uuid, inactive }: DomainStatus, device: string): string | null {
  const volume = volumesOf(state, uuid).get(device);
  const defined = inactive.disks.find((disk) => disk.device === device)?.source ?? null;
  if (volume === undefined || defined === state.layers[volume.head]?.file) return null;
  return defined === null ? `its definition has no disk ${device}` : `its definition names ${defined}`;
}

/** A file may have several names, and QEMU uses the one in the definition, or in the header above it. */
async function addOtherNames(
  world: World,
  state: State,
  disks: readonly QemuDisk[],
  byFile: Map<string, string>,
): Promise<void> {
  const strange = disks.flatMap(({ chain: files }) => files.filter((file) => !byFile.has(file)));
  if (strange.length === 0) return;
  const known = await layersByFile(world, state);
  for (const file of strange) {
    const layer = known.get((await world.host.fileInfo(file))?.identity ?? "");
    if (layer !== undefined) byFile.set(file, layer);
  }
}

/** Why no file of this guest may be moved now; null where it may. */
function obstacle(status: DomainStatus, trustQemu: boolean): string | null {
  const jobs = status.jobs.filter(({ ended }) => ended === undefined || !trustQemu);
  if (jobs.some(({ ended }) => ended === undefined)) return "a block job is under way";
  if (jobs.length > 0) return "libvirt takes a block job that has ended for one under way";
  if (status.managedSave) return "libvirt holds a saved memory state of it";
  if (status.snapshots.length > 0) return "libvirt holds snapshots of its own";
  if (status.checkpoints.length > 0) return "libvirt holds checkpoints";
  return null;
}
