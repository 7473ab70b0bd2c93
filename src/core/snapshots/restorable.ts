/** Can a snapshot be reverted to now? Asked before a revert touches anything, and by `snapshot show`. */
import { EstratoError } from "../../errors.ts";
import { coveredDisks } from "../instances/adopt.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Snapshot, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { snapshotLabel } from "./find.ts";

/** Why not. */
export interface Obstacle {
  readonly code: "conflict" | "host" | "integrity";
  readonly reason: string;
  readonly hint: string;
}

const OTHER_WAY = "An image or an instance can be made of its disks all the same.";

/** How a saved memory's definition is read: a caller that needs it again may keep it. */
export type ReadMemory = (path: string) => Promise<string>;

/** Throws what stands in the way of going back to this snapshot. */
export async function requireRestorable(
  world: World,
  state: State,
  snapshot: Snapshot,
  status: DomainStatus,
  read?: ReadMemory,
): Promise<void> {
  const obstacle = await obstacleTo(world, state, snapshot, status, read);
  if (obstacle === null) return;
  throw new EstratoError(obstacle.code, `snapshot ${snapshotLabel(state, snapshot)}: ${obstacle.reason}`, {
    hint: obstacle.hint,
  });
}

/** Null where nothing does. Reads only. */
export async function obstacleTo(
  world: World,
  state: State,
  snapshot: Snapshot,
  status: DomainStatus,
  read: ReadMemory = (path) => world.host.memoryDefinition(path),
): Promise<Obstacle | null> {
  const attached = new Set([...volumesOf(state, status.uuid).values()].map((volume) => volume.id));
  const detached = snapshot.disks.find((disk) => !attached.has(disk.volume));
  if (detached !== undefined)
    return {
      code: "conflict",
      reason: `its volume ${detached.volume} (${detached.device}) is not attached to ${status.name}`,
      hint: "Attach it again first, or make an image or a volume from the snapshot.",
    };
  if (snapshot.memory === null) return null;
  return (await obstacleOfMemory(world, snapshot, status, read)) ?? (await obstacleOfHost(world, snapshot));
}

/** Memory goes with exactly its disks, its name and the files of its other drives. */
async function obstacleOfMemory(
  world: World,
  snapshot: Snapshot,
  status: DomainStatus,
  read: ReadMemory,
): Promise<Obstacle | null> {
  const { memory } = snapshot;
  if (memory === null) return null;
  const taken = new Set(snapshot.disks.map((disk) => disk.device));
  const writable = coveredDisks(status).map((disk) => disk.device);
  const added = writable.filter((device) => !taken.has(device));
  if (added.length > 0)
    return {
      code: "conflict",
      reason: `its memory knows nothing of ${added.join(", ")}, which ${status.name} has now`,
      hint: `Detach ${added.length === 1 ? "it" : "them"} first. ${OTHER_WAY}`,
    };
  const path = world.store.paths.memory(memory.file);
  const file = await world.host.fileInfo(path);
  if (file === null || file.sizeBytes !== memory.sizeBytes)
    return {
      code: "integrity",
      reason: `its memory file ${path} ${file === null ? "is missing" : "is not as it was written"}`,
      hint: OTHER_WAY,
    };
  const saved = world.host.parseDefinition(await read(path));
  if (saved.name !== status.name)
    return {
      code: "conflict",
      reason: `its memory was saved under the name ${saved.name}, and libvirt resumes it under no other`,
      hint: `Rename ${status.name} back first. ${OTHER_WAY}`,
    };
  for (const disk of saved.disks) {
    if (taken.has(disk.device) || disk.source === null || disk.type === "network" || disk.type === "volume") continue;
    if ((await world.host.fileInfo(disk.source)) === null)
      return {
        code: "conflict",
        reason: `it had ${disk.source} in its drive ${disk.device}, and that file is not there`,
        hint: "Put the file back first.",
      };
  }
  return null;
}

/** QEMU reads what an older one wrote, not the reverse, and only for a machine type that it still has. */
export async function obstacleOfHost(world: World, { memory }: Snapshot): Promise<Obstacle | null> {
  if (memory === null) return null;
  const { qemuVersion, machines } = await world.host.capabilities();
  if (memory.machine !== null && !machines.includes(memory.machine))
    return {
      code: "host",
      reason: `its memory needs the machine type ${memory.machine}, which QEMU ${qemuVersion} does not have`,
      hint: OTHER_WAY,
    };
  if (memory.qemuVersion !== null && isOlder(qemuVersion, memory.qemuVersion))
    return {
      code: "host",
      reason: `its memory was written by QEMU ${memory.qemuVersion}, and this is ${qemuVersion}`,
      hint: `Install QEMU ${memory.qemuVersion} or a later one. ${OTHER_WAY}`,
    };
  return null;
}

/** By major and minor number: what QEMU migrates between. */
function isOlder(version: string, than: string): boolean {
  const number = (text: string) => {
    const [major = 0, minor = 0] = text.split(".").map(Number);
    return major * 1000 + minor;
  };
  return number(version) < number(than);
}
