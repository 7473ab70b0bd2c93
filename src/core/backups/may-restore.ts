/**
 * What a restore refuses is refused before anything is copied: what the copy is to become is asked of the state and
 * of libvirt first. It is asked again when its turn comes, under the locks.
 */
import { EstratoError } from "../../errors.ts";
import { ownAddressing } from "../instances/addressing.ts";
import { type CreateInstanceOptions, keyOf } from "../instances/create.ts";
import { findInstance } from "../instances/find.ts";
import { type InstanceIdentity, requireNowhere } from "../instances/identity.ts";
import { requireFreeName, requireStartableName } from "../instances/names.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { Instance, State, Volume } from "../model/state.ts";
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
  await requireStartableName(world, name);
  const state = await world.store.read();
  await requireFreeName(world, state, name);
  keyOf(state, keyName);
  if (network !== null && network.name !== "none") await requireNetwork(world, network.name);
}

/**
 * For one that comes back as itself. Throws "conflict" where something of it lives here, "host" where a network of it
 * is not here, or QEMU does not know its machine.
 */
export async function requireReturn(
  world: World,
  { name, start }: Pick<CreateInstanceOptions, "name" | "start">,
  as: InstanceIdentity,
): Promise<void> {
  await requireStartableName(world, name);
  const state = await world.store.read();
  await requireNowhere(world, state, name, as);
  await ownAddressing(world, state, name, as, start);
  const { machines } = await world.host.capabilities();
  if (machines.includes(as.machine)) return;
  throw new EstratoError("host", `instance ${name}: QEMU does not know its machine ${as.machine} here`, {
    hint: "Upgrade QEMU; or make another instance of it: --instance NAME.",
  });
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

/**
 * Throws "conflict" where a volume of the backup is not the instance's any more, whatever stands at its device now, and
 * what `findInstance` throws.
 */
export async function requireInPlace(world: World, from: Wanted): Promise<void> {
  const { instance, disks } = await chosenDisks(world, from);
  const { status, state } = await findInstance(world, instance);
  for (const disk of disks) volumeFor(state, { id: instance, name: status.name }, disk);
}

/**
 * The volume that a disk of a backup goes back to: the very one that it was taken of, at whatever device it is attached
 * now. Throws "conflict" where it is not attached; the message names it and what has its device.
 */
export function volumeFor(
  state: State,
  instance: Pick<Instance, "id" | "name">,
  { device, volume }: Pick<BackupDisk, "device" | "volume">,
): Volume {
  const attached = volumesOf(state, instance.id);
  const same = [...attached.values()].find(({ id }) => id === volume);
  if (same !== undefined) return same;
  const now = attached.get(device);
  const was = labelOf(state.volumes[volume] ?? { id: volume, name: null });
  const is = now === undefined ? `it has no disk ${device} now` : `its ${device} is volume ${labelOf(now)} now`;
  throw new EstratoError("conflict", `instance ${instance.name}: ${device} of the backup is volume ${was}, and ${is}`, {
    hint: "Restore it to a volume and attach that, or leave it out with --disk.",
  });
}

function labelOf({ id, name }: Pick<Volume, "id" | "name">): string {
  return name === null ? id : `${name} (${id})`;
}

async function chosenDisks(world: World, { targets, backup, disks }: Wanted) {
  const { id, manifest } = requireWhole(await findBackup(world, targets, backup));
  const chosen = manifest.disks.filter(({ device }) => disks.length === 0 || disks.includes(device));
  return { id, instance: manifest.instance.id, disks: chosen };
}

function devicesOf(disks: readonly BackupDisk[]): string {
  return disks.map(({ device }) => device).join(", ");
}
