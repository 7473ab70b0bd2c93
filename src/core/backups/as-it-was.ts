/**
 * `backup restore --as-it-was`: the instance comes back as itself, wherever it is restored. What its manifest and its
 * definition say is a proposal of whoever wrote the target: ids and names are checked before anything is made of them.
 */
import { EstratoError } from "../../errors.ts";
import type { CreateInstanceOptions } from "../instances/create.ts";
import type { InstanceIdentity, VolumeIdentity } from "../instances/identity.ts";
import { SEED_DEVICE } from "../instances/seed.ts";
import type { DomainDefinition } from "../model/host.ts";
import { requireName, whyNoName } from "../names.ts";
import type { World } from "../ports.ts";
import { findBackup, requireWhole, type WholeBackup } from "./find.ts";
import { chooseDisks, readDefinition } from "./import.ts";
import type { BackupDisk, Identity } from "./manifest.ts";
import type { RestoreFrom } from "./restore-to.ts";
import { openTarget } from "./targets/open.ts";
import type { StoredBackup } from "./targets/target.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const VOLUME = /^vol-[0-9a-f]{17}$/;
const SEED_MODE = 0o600;

/** What is to be made, and of which backup: a name may mean another one a moment later. */
export interface Returning {
  readonly from: RestoreFrom;
  readonly options: Omit<CreateInstanceOptions, "source" | "loan"> & { readonly as: InstanceIdentity };
}

/**
 * The instance that a backup was taken of, as it was. What nobody knows of it any more is told in a note. Throws
 * "integrity" where the definition is not what was written, or an id is none, and what `findBackup` throws.
 */
export async function returning(world: World, from: RestoreFrom, start: boolean): Promise<Returning> {
  const backup = requireWhole(await findBackup(world, from.targets, from.backup));
  const { id, manifest, target } = backup;
  const { name, vcpus, ramBytes, keyName } = manifest.instance;
  requireName("instance", name);
  const stored = openTarget(world, target).backup(id);
  const definition = world.host.parseDefinition(await readDefinition(world, stored, manifest));
  const { tpm } = world.host.parseDefinition(world.host.editDefinition(definition.xml, { ownTpm: true }));
  const { keypairs } = await world.store.read();
  const disks = chooseDisks(manifest.disks, from.disks, id);
  const publicKey = keypairs[keyName ?? ""]?.publicKey ?? null;
  const as = { ...identityFrom(backup, stored, definition, disks, publicKey), tpm };
  for (const note of unknown(backup, as)) world.report.note(note);
  const unsaid = { flavor: null, diskBytes: null, network: null, ip: null, userData: null };
  const properties = manifest.identity?.properties ?? {};
  const options = { ...unsaid, name, vcpus, ramBytes, keyName, properties, start, as };
  return { from: { ...from, backup: id, targets: [target] }, options };
}

function identityFrom(
  { id, manifest }: WholeBackup,
  stored: StoredBackup,
  { disks: defined, interfaces, machine, uuid }: DomainDefinition,
  disks: readonly BackupDisk[],
  publicKey: string | null,
): Omit<InstanceIdentity, "tpm"> {
  const { identity, instance, seed } = manifest;
  if (!UUID.test(instance.id) || uuid !== instance.id) {
    throw new EstratoError("integrity", `backup ${id}: its definition is not that of ${JSON.stringify(instance.id)}`);
  }
  const nics = interfaces
    .filter(({ mac }) => mac !== "")
    .map(({ mac, network, user }) => ({ mac, network, user: user !== undefined }));
  const macs = new Set(nics.map(({ mac }) => mac));
  const hadSeed = defined.some(({ device, readonly }) => device === SEED_DEVICE && readonly);
  return {
    uuid: instance.id,
    createdAt: identity?.createdAt ?? null,
    image: identity?.image ?? null,
    flavor: instance.flavor,
    machine,
    interfaces: nics,
    addresses: (identity?.addresses ?? []).filter(({ mac }) => macs.has(mac)),
    autostart: identity?.autostart ?? false,
    volumes: volumeIdentities(id, disks, identity),
    seed: !hadSeed ? null : seed === undefined ? "new" : (to) => stored.copyOut(seed.file, to, SEED_MODE),
    publicKey: identity?.publicKey ?? publicKey,
  };
}

function volumeIdentities(
  id: string,
  disks: readonly BackupDisk[],
  identity: Identity | undefined,
): InstanceIdentity["volumes"] {
  const found = new Map<string, VolumeIdentity>();
  for (const { device, volume } of disks) {
    if (!VOLUME.test(volume) || [...found.values()].some((one) => one.id === volume)) {
      throw new EstratoError("integrity", `backup ${id}: disk ${device}: ${JSON.stringify(volume)} is no volume's id`);
    }
    const was = identity?.volumes.find((one) => one.id === volume);
    if (was === undefined) found.set(device, { id: volume, known: null });
    else {
      const { deleteWithInstance, properties, createdAt } = was;
      const name = was.name !== null && whyNoName(was.name) === null ? was.name : null;
      found.set(device, { id: volume, known: { name, deleteWithInstance, properties, createdAt } });
    }
  }
  return found;
}

/** What it comes back without, in sentences. */
function unknown({ id, manifest }: WholeBackup, { seed }: InstanceIdentity): string[] {
  const { name } = manifest.instance;
  return [
    ...(manifest.identity === undefined
      ? [
          `backup ${id} was taken by an older estrato: whether ${name} started with the host, its reserved addresses and properties, and the names of its volumes are not known`,
        ]
      : []),
    ...(seed === "new"
      ? [`backup ${id} does not hold the user data of ${name}: its seed is made anew, with its name and key`]
      : []),
  ];
}
