/** An instance web2 that boots from a backup of web1, beside it. */
import type { CreateInstanceOptions } from "../../../../src/core/instances/create.ts";
import type { Content } from "../../../fake/host.ts";
import { type Bed, backupsOf, command, stateOf, TARGET, write } from "../world.ts";
import { night, withTarget } from "./world.ts";

/** FULL ← I1, of two disks. */
export async function chainOfTwo(): Promise<Bed> {
  const on = await withTarget({ disks: [{ content: { 0: "boot", 4: "old" } }, { content: { 0: "data" } }] });
  await night(on);
  write(on, 2, "one");
  write(on, 4, "new");
  write(on, 3, "one", "vdb");
  await night(on);
  write(on, 2, "later");
  return on;
}

/** The newest backup. */
export function from(on: Bed) {
  return { targets: [TARGET], backup: backupsOf(on).at(-1) ?? "", disks: [], passphraseFile: null };
}

export function wanted(name: string): Omit<CreateInstanceOptions, "source" | "loan"> {
  const unsaid = {
    flavor: null,
    vcpus: null,
    ramBytes: null,
    diskBytes: null,
    keyName: null,
    ip: null,
    userData: null,
  };
  return { ...unsaid, name, network: null, properties: {}, start: true };
}

export async function restoredUuid(on: Bed): Promise<string | null> {
  return Object.values((await stateOf(on)).instances).find(({ name }) => name === "web2")?.id ?? null;
}

/** What each of its disks reads as, by QEMU while it runs. */
export async function disksOfRestored(on: Bed): Promise<Record<string, Content>> {
  const uuid = (await restoredUuid(on)) ?? "";
  const { host } = command(on);
  const status = await host.domainStatus(uuid);
  const disks = (status?.inactive.disks ?? []).filter(({ device }) => device.startsWith("vd") && device < "vdc");
  return Object.fromEntries(
    disks.map(({ device, source }) => [
      device,
      status?.live == null ? host.read(source ?? "") : host.guestRead(uuid, device),
    ]),
  );
}

export async function writeTo(on: Bed, cluster: number, word: string): Promise<void> {
  command(on).host.guestWrite((await restoredUuid(on)) ?? "", "vda", cluster, word);
}

/** The marks in the target. */
export function marks(on: Bed): string[] {
  return [...on.machine.files.keys()].filter((path) => path.startsWith(TARGET) && path.includes("/use-"));
}

/** Does it stand by itself? */
export async function pulled(on: Bed): Promise<boolean> {
  const state = await stateOf(on);
  const heads = Object.values(state.volumes).filter(({ instance }) => instance !== null);
  const uuid = await restoredUuid(on);
  const own = heads.filter(({ instance }) => instance === uuid);
  return (
    own.length > 0 &&
    own.every(({ head }) => {
      const layer = state.layers[head];
      return layer?.parent === null && on.machine.files.get(layer.file)?.backing == null;
    })
  );
}
