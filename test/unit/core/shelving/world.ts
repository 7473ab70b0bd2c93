/**
 * One instance that estrato made, with a snapshot, UEFI or not, to be shelved and brought back; and what must be true
 * of it at any time.
 */
import { expect } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { findings } from "../../../../src/core/graph/invariants.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import type { Instance } from "../../../../src/core/model/state.ts";
import { withLocks } from "../../../../src/core/operations/with-locks.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { SYSTEM_FOLDERS, tpmFolder } from "../../../../src/host/libvirt-folders.ts";
import { fakeClock } from "../../../fake/clock.ts";
import type { Content } from "../../../fake/host.ts";
import { newEstate, creation as newInstance } from "../instances/world.ts";
import { type Bed, command, creation as newSnapshot, type Process, stateOf } from "../world.ts";

export const NOW: Content = { 0: "of lay-debian12-vda", 1: "first", 2: "second" };
const S1: Content = { 0: "of lay-debian12-vda", 1: "first" };
const NVRAM = "/var/lib/libvirt/qemu/nvram/web1_VARS.fd";

const TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";
const SEALED = "sealed";
const tpmPlace = (id: string) => `${tpmFolder(SYSTEM_FOLDERS, id)}/tpm2/tpm2-00.permall`;

export interface Wish {
  readonly running?: boolean;
  readonly paused?: boolean;
  /** It boots by UEFI and has a TPM; its NVRAM is a file of libvirt's own. */
  readonly uefi?: boolean;
}

/** web1 starts with the host, holds NOW, and has a snapshot s1. */
export async function withInstance({ running = true, paused = false, uefi = false }: Wish = {}): Promise<Bed> {
  const on: Bed = { ...newEstate(), clock: fakeClock() };
  await createInstance(command(on), newInstance({ name: "web1" }));
  const { host } = command(on);
  host.guestWrite("web1", "vda", 1, "first");
  await createSnapshot(command(on), newSnapshot("s1"));
  host.guestWrite("web1", "vda", 2, "second");
  const change = { name: null, properties: {}, dropProperties: [], autostart: true };
  await setInstance(command(on), "web1", change);
  const id = await idOf(on);
  if (uefi) {
    await host.perform({ do: "destroy", domain: id });
    host.addFile(NVRAM, { format: "raw", text: "boot order" });
    const xml =
      on.machine.domains.get(id)?.inactive.replace(/<os>/, `<os firmware='efi'><nvram>${NVRAM}</nvram>`) ?? "";
    await host.perform({ do: "define", xml: xml.replace("</devices>", TPM) });
    host.addFile(tpmPlace(id), { format: "raw", text: SEALED });
    await host.perform({ do: "start", domain: id, paused: false });
  }
  if (!running) await host.perform({ do: "destroy", domain: id });
  if (paused) await host.perform({ do: "suspend", domain: id });
  return on;
}

/** The archive is there. */
export function withArchive(on: Bed): Bed {
  command(on).host.addFile(`${ARCHIVE}/mine.txt`, { format: "raw", text: "mine" });
  return on;
}

/** What lies in the archive besides. */
export function archived(on: Bed): string[] {
  return [...on.machine.files.keys()].filter((path) => path.startsWith(`${ARCHIVE}/lay-`));
}

export async function shelved(wish: Wish = {}): Promise<Bed> {
  const on = await withInstance(wish);
  await shelveInstance(command(on), "web1", plain);
  return on;
}

export const plain = { offload: false, folder: null, timeoutMs: 60_000 };
/** A folder outside the store, where something of the user's lies. */
export const ARCHIVE = "/mnt/archive";
export const putAway = { offload: true, folder: ARCHIVE, timeoutMs: 60_000 };
export const packed = { offload: true, folder: null, timeoutMs: 60_000 };

export async function recordOf(on: Bed): Promise<Instance> {
  const found = Object.values((await stateOf(on)).instances).find((one) => one.name === "web1");
  if (found === undefined) throw new Error("web1 is not recorded");
  return found;
}

export const idOf = async (on: Bed) => (await recordOf(on)).id;

/** What its disk reads as, by the record. */
export async function held(on: Bed): Promise<Content> {
  const state = await stateOf(on);
  const head = Object.values(state.volumes).find(({ instance }) => instance !== null)?.head ?? "";
  return command(on).host.read(state.layers[head]?.file ?? "");
}

/** The domain's state; "none" where libvirt has none. */
export async function domainState(on: Bed): Promise<string> {
  return on.machine.domains.get(await idOf(on))?.state ?? "none";
}

/** Any verb does it: recovers what a dead command left, and collects. */
export async function nextCommand(on: Bed): Promise<Process> {
  const world = command(on);
  await withLocks(world, ["another"], async () => {});
  return world;
}

/**
 * All that was promised: the disk and the snapshot read as they did, the graph is whole, doctor finds nothing, and it
 * is shelved or has a domain.
 */
export async function requireSound(on: Bed, where: string, notes: readonly string[] = []): Promise<void> {
  const said = `${where}\n${notes.join("\n")}`;
  const state = await stateOf(on);
  expect([...on.disk.journal.keys()], said).toEqual([]);
  expect(findings(state), said).toEqual([]);
  expect(
    (await examine(command(on))).map(({ subject, problem }) => `${subject}: ${problem}`),
    said,
  ).toEqual([]);
  expect(on.disk.locks.size, said).toBe(0);
  expect(await held(on), said).toEqual(NOW);
  const s1 = Object.values(state.snapshots).find(({ name }) => name === "s1");
  expect(command(on).host.read(state.layers[s1?.disks[0]?.layer ?? ""]?.file ?? ""), said).toEqual(S1);
  const record = await recordOf(on);
  const images = Object.values(state.images).filter(({ type }) => type === "shelved");
  expect(
    images.map(({ id }) => id),
    said,
  ).toEqual(record.shelved === null ? [] : [record.shelved.image]);
  // Nothing is left over there that nothing remembers.
  const files = Object.values(state.layers).map(({ file }) => file);
  expect(
    archived(on).filter((path) => !files.includes(path)),
    said,
  ).toEqual([]);
  expect((await domainState(on)) === "none", said).toBe(record.shelved !== null);
  requireTpm(on, record, images[0]?.tpm ?? null, said);
  for (const { network, mac, ip } of record.addresses) {
    expect(on.machine.networks.get(network)?.reservations, said).toContainEqual(expect.objectContaining({ mac, ip }));
  }
}

/** What its TPM keeps is with libvirt or on the shelf, and never in both. */
function requireTpm(on: Bed, record: Instance, shelf: string | null, said: string): void {
  const there = on.machine.files.get(tpmPlace(record.id));
  const copy = on.machine.files.get(`/fake/estrato/nvram/${shelf}`);
  const hasTpm =
    (there ?? copy) !== undefined || [...on.machine.domains.values()].some(({ inactive }) => inactive.includes("<tpm"));
  if (hasTpm)
    expect([there?.text, copy?.text], said).toEqual(
      record.shelved === null ? [SEALED, undefined] : [undefined, SEALED],
    );
}
