/**
 * A host and a store in memory with one guest on it. Commands run one after the other, each in a process of its own,
 * and any can be killed.
 */

import type { Action } from "../../../src/core/model/action.ts";
import type { Snapshot, State } from "../../../src/core/model/state.ts";
import type { CreateSnapshotOptions } from "../../../src/core/snapshots/create.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import type { Content } from "../../fake/host.ts";
import { type Bed, bed, command } from "./process.ts";

export { type Bed, bed, type CrashPoint, command, copyOf, type How, type Process } from "./process.ts";

export const UUID = "11111111-2222-4333-8444-555555555555";

export interface GuestSpec {
  readonly running?: boolean;
  readonly agent?: boolean;
  /** vda, vdb, …: what each disk holds, and how it lies on the host. */
  readonly disks?: readonly { readonly content: Content; readonly format?: "qcow2" | "raw" }[];
}

export const FIRST: Content = { 0: "boot", 1: "root", 2: "data" };

/** A guest web1 that estrato did not make. */
export function withGuest(spec: GuestSpec = {}): Bed {
  const on = bed();
  const { host } = command(on);
  const disks = (spec.disks ?? [{ content: FIRST }]).map(({ content, format = "qcow2" }, index) => {
    const device = `vd${"abc"[index]}`;
    host.addFile(`/disks/web1-${device}.${format}`, { content, format, mode: 0o640, uid: 7, gid: 7 });
    return { device, path: `/disks/web1-${device}.${format}`, format };
  });
  host.addDomain({ name: "web1", uuid: UUID, disks, running: spec.running ?? true, agent: spec.agent ?? true });
  return on;
}

export function creation(name: string | null, change: Partial<CreateSnapshotOptions> = {}): CreateSnapshotOptions {
  return {
    instance: "web1",
    name,
    quiesce: "off",
    excludeDisks: [],
    description: null,
    properties: {},
    expiresAt: null,
    protect: false,
    ...change,
  };
}

/** Gives the guest an emulated TPM, which keeps this word. */
export function withTpm(on: Bed, word: string): Bed {
  const domain = on.machine.domains.get(UUID);
  const tpm = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";
  if (domain === undefined) throw new Error("no guest");
  domain.inactive = domain.inactive.replace("</devices>", tpm);
  domain.live &&= domain.live.replace("</devices>", tpm);
  command(on).host.addFile(tpmPlace(on) ?? "", { format: "raw", text: word });
  return on;
}

/** Where libvirt has what the guest's TPM keeps; null where it has no TPM. */
export function tpmPlace(on: Bed): string | null {
  return command(on).host.parseDefinition(on.machine.domains.get(UUID)?.inactive ?? "").tpm;
}

/** The guest writes the same word to its disk and to its TPM: what belongs together says the same. */
export function writeBoth(on: Bed, word: string): void {
  write(on, 2, word);
  Object.assign(on.machine.files.get(tpmPlace(on) ?? "") ?? {}, { text: word });
}

/** Takes a snapshot in a process of its own, a minute after whatever was before. */
export async function take(
  on: Bed,
  name: string | null,
  change: Partial<CreateSnapshotOptions> = {},
): Promise<Snapshot> {
  on.clock.advance(60_000);
  return (await createSnapshot(command(on), creation(name, change))) as Snapshot;
}

export function write(on: Bed, cluster: number, word: string | null, device = "vda"): void {
  command(on).host.guestWrite(UUID, device, cluster, word);
}

export function virsh(on: Bed, action: Action): Promise<void> {
  return command(on).host.perform(action);
}

export const stop = (on: Bed) => virsh(on, { do: "destroy", domain: UUID });
export const start = (on: Bed) => virsh(on, { do: "start", domain: UUID, paused: false });

export function stateOf(on: Bed): Promise<State> {
  return command(on).store.read();
}

/**
 * What each disk that the guest may write reads as: QEMU's view while it runs, else that of the file it is defined to
 * start from.
 */
export async function disksOf(on: Bed): Promise<Record<string, Content>> {
  const { host } = command(on);
  const status = await host.domainStatus(UUID);
  const entries = (status?.inactive.disks ?? [])
    .filter(({ readonly }) => !readonly)
    .map(({ device, source }): [string, Content] => [
      device,
      status?.live == null ? host.read(source ?? "") : host.guestRead(UUID, device),
    ]);
  return Object.fromEntries(entries);
}

/** Where backups go. */
export const TARGET = "/backups";

/** The backups that can be relied on, by id. */
export function backupsOf({ machine }: Bed): string[] {
  const found = [...machine.files.keys()].flatMap(
    (path) => /^\/backups\/(bak-\w{17})\/manifest.json$/.exec(path)?.[1] ?? [],
  );
  return found.filter((id) => !machine.files.has(`${TARGET}/${id}/void.json`)).sort();
}

function backupDisks(on: Bed, id: string): Record<string, Content> {
  if (!backupsOf(on).includes(id)) return {};
  const disks = [...on.machine.files.keys()].filter(
    (path) => path.startsWith(`${TARGET}/${id}/vd`) && path.endsWith(".qcow2"),
  );
  return Object.fromEntries(disks.map((path) => [path.slice(-9, -6), command(on).host.read(path)]));
}

/** What each disk of a snapshot, an image or a backup reads as. */
export async function contentsOf(on: Bed, id: string): Promise<Record<string, Content>> {
  const state = await stateOf(on);
  const { host } = command(on);
  if (id.startsWith("bak-")) return backupDisks(on, id);
  const disks = (state.snapshots[id] ?? state.images[id])?.disks ?? [];
  return Object.fromEntries(disks.map(({ device, layer }) => [device, host.read(state.layers[layer]?.file ?? "")]));
}

/** Records, but for the newest definition of each instance: that is kept before anything is refused. */
export function recordsOf({ disk }: Bed): [string, string][] {
  return [...disk.records].filter(([name]) => !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.xml$/.test(name));
}

/** All that a refusal and a dry run must leave as it was. */
export function everything(on: Bed): string {
  const { machine, disk } = on;
  const files = [...machine.files].map(([path, file]) => [path, { ...file, clusters: [...file.clusters] }]);
  const domains = [...machine.domains].map(([uuid, { inactive, live, state }]) => [uuid, inactive, live, state]);
  return JSON.stringify([files.sort(), domains, disk.state, [...disk.journal], recordsOf(on)]);
}
