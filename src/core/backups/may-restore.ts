/**
 * What a restore refuses is refused before anything is copied: what the copy is to become is asked of the state and
 * of libvirt first. It is asked again when its turn comes, under the locks.
 */
import { EstratoError } from "../../errors.ts";
import { volumesOf } from "../instances/adopt.ts";
import { type CreateInstanceOptions, keyOf } from "../instances/create.ts";
import { findInstance } from "../instances/find.ts";
import { requireFreeName } from "../instances/names.ts";
import { requireName } from "../names.ts";
import { requireNetwork } from "../networks.ts";
import type { World } from "../ports.ts";
import { findBackup, requireWhole } from "./find.ts";
import type { BackupDisk } from "./manifest.ts";

interface Wanted {
  readonly targets: readonly string[];
  readonly backup: string;
  /** Devices; none: all. */
  readonly disks: readonly string[];
}

/**
 * Throws "usage" for a malformed name, "conflict" for one that is taken, "not_found" for a key or a network that is
 * not there.
 */
export async function requireNewInstance(
  world: World,
  { name, keyName, network }: Omit<CreateInstanceOptions, "source">,
): Promise<void> {
  requireName("instance", name);
  const state = await world.store.read();
  await requireFreeName(world, state, name);
  keyOf(state, keyName);
  if (network !== null && network.name !== "none") await requireNetwork(world, network.name);
}

/** Throws the same for a volume, and "usage" where the backup has several disks and none is chosen. */
export async function requireNewVolume(world: World, from: Wanted, name: string): Promise<void> {
  const { requireFreeVolumeName } = await import("../volumes/create.ts");
  requireName("volume", name);
  requireFreeVolumeName(await world.store.read(), name);
  const { id, disks } = await chosenDisks(world, from);
  if (disks.length < 2) return;
  throw new EstratoError("usage", `backup ${id}: it has several disks (${devicesOf(disks)})`, {
    hint: `Choose one: --disk ${disks[0]?.device}.`,
  });
}

/** Throws "conflict" where the instance has no such disk any more, and what `findInstance` throws. */
export async function requireInPlace(world: World, from: Wanted): Promise<void> {
  const { instance, disks } = await chosenDisks(world, from);
  const { status, state } = await findInstance(world, instance);
  const volumes = volumesOf(state, instance);
  for (const { device } of disks) if (!volumes.has(device)) throw lacks(status.name, device);
}

/** "conflict". */
export function lacks(name: string, device: string): EstratoError {
  return new EstratoError("conflict", `instance ${name}: it has no disk ${device} now`, {
    hint: `Restore it to a volume and attach that, or leave it out with --disk.`,
  });
}

async function chosenDisks(world: World, { targets, backup, disks }: Wanted) {
  const { id, manifest } = requireWhole(await findBackup(world, targets, backup));
  const chosen = manifest.disks.filter(({ device }) => disks.length === 0 || disks.includes(device));
  return { id, instance: manifest.instance.id, disks: chosen };
}

function devicesOf(disks: readonly BackupDisk[]): string {
  return disks.map(({ device }) => device).join(", ");
}
