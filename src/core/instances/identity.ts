/**
 * What makes an instance that one and no other. One that comes back as itself brings it along; an id, a name or a MAC
 * can live once, so none of it may be here already: in libvirt, in the state, on the books of a network.
 */
import { EstratoError } from "../../errors.ts";
import { nvramFile } from "../firmware.ts";
import type { Action } from "../model/action.ts";
import type { Instance, State, Volume } from "../model/state.ts";
import { requireFree } from "../names.ts";
import type { World } from "../ports.ts";
import { volumeLabel } from "../volumes/find.ts";
import { requireFreeName } from "./names.ts";

/** A volume as it was; null where nobody knows any more. */
export interface VolumeIdentity {
  readonly id: string;
  readonly known: Pick<Volume, "name" | "deleteWithInstance" | "properties" | "createdAt"> | null;
}

export interface InstanceIdentity {
  readonly uuid: string;
  readonly createdAt: string | null; // null: now
  readonly image: string | null;
  readonly flavor: string | null;
  readonly machine: string; // pc-q35-7.2
  /** `user`: on a network of its own user. */
  readonly interfaces: readonly { readonly mac: string; readonly network: string | null; readonly user?: boolean }[];
  /** That were reserved for it. */
  readonly addresses: Instance["addresses"];
  readonly autostart: boolean;
  /** By device, of the disks that come back. */
  readonly volumes: ReadonlyMap<string, VolumeIdentity>;
  /** What brings its seed to a path; "new": it had one that is lost; null: it had none. */
  readonly seed: ((to: string) => readonly Action[]) | "new" | null;
  readonly tpm: string | null; // where libvirt will have what its TPM keeps
  readonly publicKey: string | null; // that a new seed gives it
}

const ANOTHER = "Or make another one of it, with an identity of its own: --instance NAME.";

/**
 * Throws "conflict" where its id, its name, a volume of it, a MAC or a file of its own is here, in words that say
 * where. Ask again under the locks of its id, its name and its volumes.
 */
export async function requireNowhere(world: World, state: State, name: string, as: InstanceIdentity): Promise<void> {
  const domains = await world.host.domainStatuses();
  const living = domains.get(as.uuid)?.name ?? state.instances[as.uuid]?.name;
  if (living !== undefined) {
    throw new EstratoError("conflict", `instance ${name}: it lives here: ${living} has its id ${as.uuid}`, {
      hint: `Bring that back with --in-place, or delete it first. ${ANOTHER}`,
    });
  }
  await requireFreeName(world, state, name);
  requireFreeVolumes(state, name, as);
  const macs = new Set(as.interfaces.map(({ mac }) => mac));
  const owners: [mac: string, owner: string][] = [...domains.values()].flatMap((domain) =>
    [...domain.inactive.interfaces, ...(domain.live?.interfaces ?? [])].map(({ mac }): [string, string] => [
      mac,
      domain.name,
    ]),
  );
  for (const one of Object.values(state.instances)) {
    for (const { mac } of [...one.addresses, ...(one.shelved?.interfaces ?? [])]) owners.push([mac, one.name]);
  }
  for (const [mac, owner] of owners) {
    if (!macs.has(mac.toLowerCase())) continue;
    throw new EstratoError("conflict", `instance ${name}: ${owner} has its MAC ${mac} here`, { hint: ANOTHER });
  }
  await requireNoFiles(world, name, as);
}

function requireFreeVolumes(state: State, name: string, { volumes }: InstanceIdentity): void {
  for (const [device, { id, known }] of volumes) {
    const here = state.volumes[id];
    if (here === undefined) {
      if (known !== null && known.name !== null) {
        const names = Object.values(state.volumes).map((one) => one.name);
        requireFree("volume", known.name, names);
      }
      continue;
    }
    const where =
      here.instance === null ? "it is attached to nothing" : `${state.instances[here.instance]?.name} has it`;
    throw new EstratoError(
      "conflict",
      `instance ${name}: ${device} is volume ${volumeLabel(state, here)}, which is here: ${where}`,
      { hint: "Name the other disks with --disk, and attach that one afterwards; or delete it first." },
    );
  }
}

/** What it would have by its id: somebody's firmware or seed would be written over. */
async function requireNoFiles(world: World, name: string, { uuid, tpm }: InstanceIdentity): Promise<void> {
  for (const path of [nvramFile(world, uuid), world.store.paths.seed(uuid), tpm]) {
    if (path === null || (await world.host.fileInfo(path)) === null) continue;
    throw new EstratoError("conflict", `instance ${name}: ${path} is there, which would be its own`, {
      hint: "It is left of an instance of this id: move it away.",
    });
  }
}
