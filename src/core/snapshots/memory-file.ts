/** The file that holds a guest's memory, and the definition that it was saved under. */
import { EstratoError } from "../../errors.ts";
import { coveredDisks } from "../instances/adopt.ts";
import type { Action } from "../model/action.ts";
import type { DomainDisk, DomainStatus } from "../model/host.ts";
import type { Snapshot, SnapshotMemory } from "../model/state.ts";
import { FROZEN } from "../modes.ts";
import type { World } from "../ports.ts";
import { requireSpace } from "../space.ts";
import { liveDefinitionName, memoryName } from "./drop.ts";
import { definitionByVolume, type HeadChange } from "./heads.ts";

/** QEMU saves more than the memory: the devices, among them the screen's own memory. */
const DEVICES_BYTES = 64 * 1024 * 1024;

/**
 * What the record of a snapshot says of memory that is about to be saved. Throws "conflict" for a guest that is off, or
 * that writes to a disk which others write to as well (its page cache would not fit such a disk later); "host" where
 * there is no room for it.
 */
export async function planMemory(world: World, status: DomainStatus, id: string): Promise<SnapshotMemory> {
  const { live, name } = status;
  const what = `instance ${name}`;
  if (live === null || (status.state !== "running" && status.state !== "paused" && status.state !== "blocked")) {
    throw new EstratoError(
      "conflict",
      `${what}: it is ${live === null ? "off" : status.state} and has no memory to save`,
      {
        hint: live === null ? "Leave out --memory." : `Wake it up first: estrato instance resume ${name}.`,
      },
    );
  }
  const covered = new Set(coveredDisks(status).map((disk) => disk.device));
  const shared = live.disks.filter((disk) => !disk.readonly && disk.source !== null && !covered.has(disk.device));
  if (shared.length > 0) {
    throw new EstratoError(
      "conflict",
      `${what}: ${shared.map((disk) => disk.device).join(", ")} would be left out, and memory belongs to all disks it writes to`,
      { hint: `${shared.map((disk) => wayWithout(name, disk)).join(" ")} Or leave out --memory.` },
    );
  }
  const { qemuVersion } = await world.host.capabilities();
  const path = world.store.paths.memory(memoryName(id));
  await requireSpace(world, live.ramBytes + DEVICES_BYTES, `memory of ${name}`, path.slice(0, path.lastIndexOf("/")));
  return {
    file: memoryName(id),
    sizeBytes: 0,
    paused: status.state === "paused",
    definition: liveDefinitionName(id),
    qemuVersion,
    machine: live.machine,
  };
}

/** A drive for floppies cannot be detached from a running guest; what lies in it can be taken out. */
function wayWithout(name: string, { role, device }: DomainDisk): string {
  return role === "floppy"
    ? `Take the floppy out: virsh change-media ${name} ${device} --eject.`
    : `Detach it first: virsh detach-disk ${name} ${device} --persistent.`;
}

/** On the disk, and written by nobody any more. Idempotent. */
export function freezeMemory(world: World, snapshot: Snapshot): Action[] {
  if (snapshot.memory === null) return [];
  const path = world.store.paths.memory(snapshot.memory.file);
  return [
    { do: "sync", path },
    { do: "set-mode", path, mode: FROZEN },
  ];
}

/**
 * Keeps the expanded definition, its disks named by volume. Idempotent. Throws unless libvirt takes the file for a
 * memory that was saved to its end.
 */
export async function keepLiveDefinition(
  world: World,
  { memory }: Snapshot,
  heads: readonly HeadChange[],
): Promise<void> {
  if (memory?.definition == null) return;
  const xml = await world.host.memoryDefinition(world.store.paths.memory(memory.file));
  await world.store.writeRecord(memory.definition, definitionByVolume(world, xml, heads));
}
