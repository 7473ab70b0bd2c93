/** The estate of the tests of instances, with one guest on it and volumes beside. */
import { createInstance } from "../../../../src/core/instances/create.ts";
import type { Snapshot, Volume } from "../../../../src/core/model/state.ts";
import type { World } from "../../../../src/core/ports.ts";
import { createVolumeSnapshot } from "../../../../src/core/snapshots/create-volume.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { CLUSTER_BYTES, type Content } from "../../../fake/host.ts";
import { command, creation, type Estate, newEstate, stateOf } from "../instances/world.ts";

export const BYTES = 8 * CLUSTER_BYTES;

export interface Shape {
  readonly running?: boolean;
  readonly attached?: boolean;
  readonly encrypted?: boolean;
}

/** A file on the machine that holds a passphrase. */
export const KEY = "/root/data1.key";

/** web1, and the volume data1 with something written to it, attached to it or free. */
export async function withVolume({ running = true, attached = false, encrypted = false }: Shape = {}): Promise<Estate> {
  const estate = newEstate();
  const { machine } = estate;
  await createInstance(command(estate), creation({ start: running }));
  command(estate).host.addFile(KEY, { format: "raw", text: "open sesame\n" });
  const passphraseFile = encrypted ? KEY : null;
  const wanted = { name: "data1", source: null, sizeBytes: BYTES, passphraseFile };
  const volume = (await createVolume(command(estate), wanted)) as Volume;
  machine.files.get(await headOf(estate, volume.id))?.clusters.set(0, "written");
  if (attached) await attachVolume(command(estate), "web1", "data1");
  return estate;
}

export async function volumeOf(estate: Estate, name = "data1"): Promise<Volume> {
  const found = Object.values((await stateOf(estate)).volumes).find((one) => one.name === name);
  if (found === undefined) throw new Error(`no volume ${name}`);
  return found;
}

export async function headOf(estate: Estate, id: string): Promise<string> {
  const state = await stateOf(estate);
  return state.layers[state.volumes[id]?.head ?? ""]?.file ?? "";
}

/** What the volume reads as. */
export async function contentOf(estate: Estate, name = "data1"): Promise<Content> {
  return command(estate).host.read(await headOf(estate, (await volumeOf(estate, name)).id));
}

/** Who names the volume's head as a disk: QEMU, libvirt's two definitions, the record. */
export async function witnesses(estate: Estate, name = "data1"): Promise<Record<string, boolean>> {
  const volume = await volumeOf(estate, name);
  const file = await headOf(estate, volume.id);
  const { host } = command(estate);
  const status = await host.domainStatus("web1");
  const names = (disks: readonly { readonly source: string | null }[]) => disks.some(({ source }) => source === file);
  const recorded = volume.instance !== null;
  const defined = names(status?.inactive.disks ?? []);
  if (status?.live == null) return { recorded, defined };
  const open = (await host.qemuDisks(status.uuid)).some(({ chain }) => chain[0] === file);
  return { recorded, defined, live: names(status.live.disks), open };
}

export const agreed = (found: Record<string, boolean>) => new Set(Object.values(found)).size === 1;

export function snap(world: World, name: string | null, volume = "data1"): Promise<Snapshot> {
  const rest = { quiesce: "off", description: null, properties: {}, expiresAt: null, protect: false } as const;
  return createVolumeSnapshot(world, { ...rest, volume, name }) as Promise<Snapshot>;
}
