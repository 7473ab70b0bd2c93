/** `unshelve`: the domain comes back as it was, on the disks as they were; the image goes. Moves no data. */
import { EstratoError } from "../../errors.ts";
import { hasOwnTpm, nvramFile, pathsOf, requireCopies } from "../firmware.ts";
import { requireFree } from "../forwards/free-ports.ts";
import { diskFileOf } from "../graph/files.ts";
import { recordedDefinition } from "../instances/definition-file.ts";
import { findInstance } from "../instances/find.ts";
import { hostnameOf } from "../instances/hostname.ts";
import { nameLock, requireFreeName } from "../instances/names.ts";
import { startInstance } from "../instances/start.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import { freedByDropping, turnedOff } from "../layers/freed.ts";
import type { Action } from "../model/action.ts";
import type { DomainDefinition } from "../model/host.ts";
import type { Image, State } from "../model/state.ts";
import { WRITABLE } from "../modes.ts";
import { reservationName } from "../networks.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, type Step, unchanged } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { requireNetworks } from "./networks.ts";
import { noteStillAway, requireDisksBack } from "./packing-folder.ts";
import { findShelved, type Shelf, shelfOf, unlinkShelf } from "./record.ts";
import { recordUnshelved, type UnshelveData, unshelveKind } from "./unshelve-recovery.ts";

/**
 * Brings a shelved instance back: the same UUID, name, MACs, addresses and definition; started again where it ran.
 * Afterwards its image is gone. A dry run returns the plan. Throws "conflict" where it is not shelved or another domain
 * has its name, "host" where a network of it is not there, or a disk that was put away elsewhere, "integrity" where a
 * file of it is not; it stays shelved then, and nothing is lost.
 */
export async function unshelveInstance(world: World, target: string): Promise<PlanView | null> {
  const record = findShelved(await world.store.read(), target);
  if (record?.shelved == null) {
    const { status } = await findInstance(world, target);
    throw new EstratoError("conflict", `instance ${status.name}: it is not shelved`, {
      hint: `Shelve it with "estrato shelve ${status.name}".`,
    });
  }
  const { id, name } = record;
  const { image, was } = record.shelved;
  const plan = await withLocks(world, [id, image, nameLock(name)], (locks) => unshelveLocked(world, locks, id));
  if (plan !== null) return plan;
  await noteStillAway(world, id);
  // Started last, on a head that has been merged with what was shelved (or has taken in what lay elsewhere): nothing
  // moves under the running guest.
  if (was !== "off") await startInstance(world, id);
  return null;
}

/** Null where recovery has just brought it back. */
async function unshelveLocked(world: World, locks: HeldLocks, uuid: string): Promise<PlanView | null> {
  const state = await world.store.read();
  const shelf = shelfOf(state, uuid);
  if (shelf === null) return unchanged(world, null);
  const { record, shelved } = shelf;
  await requireFreeName(world, state, record.name, uuid);
  if ((await world.host.domainStatus(uuid)) !== null) {
    throw new EstratoError("conflict", `instance ${record.name}: libvirt has a domain of its id ${uuid}`, {
      hint: `It stays shelved. Undefine that domain first: virsh undefine --keep-nvram ${uuid}.`,
    });
  }
  const networks = await requireNetworks(world, shelf);
  await requireDisksBack(world, state, shelf);
  await requireDisks(world, state, shelf);
  await requireCopies(world, shelf.image, `instance ${record.name}`);
  if (shelved.was !== "off") await requireFree(world, state, uuid, record.userNetwork?.forwards ?? []);
  const xml = await definition(world, state, shelf);
  const data = planData(world, state, shelf, world.host.parseDefinition(xml));
  const reservations = record.addresses.map((address): Action => {
    const network = networks.get(address.network);
    const hostname = hostnameOf(record.name);
    const known = network?.reservations.find((one) => one.mac === address.mac)?.name;
    const name = known ?? (network === undefined ? hostname : reservationName(network, hostname, uuid));
    return { do: "reserve-address", ...address, name };
  });
  const steps: Step[] = [];
  const firmware: Action[] = data.nvram === null ? [] : [{ do: "copy-file", ...data.nvram, mode: WRITABLE }];
  if (data.tpm !== null) firmware.push({ do: "place-tpm", domain: uuid, from: data.tpm.from, to: data.tpm.to });
  if (firmware.length > 0)
    steps.push({ id: "place-firmware", title: "Put back what the firmware kept", actions: firmware });
  if (reservations.length > 0)
    steps.push({ id: "reserve-address", title: "Reserve its address", actions: reservations });
  steps.push({ id: "define-domain", title: "Define the domain", actions: [{ do: "define", xml }] });
  if (shelved.autostart) {
    steps.push({
      id: "autostart",
      title: "Start it with the host",
      actions: [{ do: "autostart", domain: uuid, on: true }],
    });
  }
  steps.push(
    {
      id: "record-unshelved",
      title: "Record it as unshelved",
      run: () => world.store.update((draft) => recordUnshelved(draft, data)),
    },
    { id: "remove-image", title: "Remove what the image kept", actions: unlinkShelf(world, data.image) },
  );
  const follows = async () => {
    const start: Step = { id: "start", title: "Start it", actions: [{ do: "start", domain: uuid, paused: false }] };
    // What lies elsewhere comes back, and the head becomes one with what was shelved.
    const { steps: collected } = await freedByDropping(
      world,
      state,
      (draft) => recordUnshelved(draft, data),
      turnedOff(uuid),
    );
    return { steps: [...collected, ...(shelved.was === "off" ? [] : [start])], notes: [], bytes: null };
  };
  const result = async () => null;
  return run(world, locks, { kind: unshelveKind, target: record.name, data, steps, follows, result });
}

function planData(world: World, state: State, shelf: Shelf, defined: DomainDefinition): UnshelveData {
  const { record, shelved, image } = shelf;
  const { id: uuid, name } = record;
  const kept = pathsOf(world, image);
  const nvram = kept.nvram === null ? null : { from: kept.nvram, to: nvramFile(world, image.id) };
  const own = hasOwnTpm(state, uuid, defined);
  const tpm = kept.tpm === null || defined.tpm === null ? null : { from: kept.tpm, to: defined.tpm, own };
  return { uuid, name, image, was: shelved.was, autostart: shelved.autostart, nvram, tpm };
}

/** The definition that was kept, with the paths that its volumes have now. */
async function definition(world: World, state: State, { record, image }: Shelf): Promise<string> {
  const xml = await recordedDefinition(world, recordName(image, record.name));
  const volumes = volumesOf(state, record.id);
  const disks = Object.fromEntries(
    [...volumes].map(([device, { head }]) => {
      const layer = state.layers[head];
      return [device, layer === undefined ? { path: "", format: "qcow2" } : diskFileOf(state, layer)];
    }),
  );
  const edit = {
    disks,
    dropBackingStore: true,
    ...(image.nvram === null ? {} : { nvram: nvramFile(world, image.id) }),
  };
  return world.host.editDefinition(xml, edit);
}

function recordName(image: Image, name: string): string {
  if (image.definition !== null) return image.definition;
  throw new EstratoError("integrity", `instance ${name}: no definition of it was kept`, {
    hint: 'Run "estrato doctor".',
  });
}

/** Every disk that was shelved is there, and nobody has it open. */
async function requireDisks(world: World, state: State, { record, image }: Shelf): Promise<void> {
  const volumes = volumesOf(state, record.id);
  for (const { device, layer } of image.disks) {
    const what = `instance ${record.name}: disk ${device}`;
    const head = state.layers[volumes.get(device)?.head ?? ""];
    if (head?.parent !== layer) {
      throw new EstratoError("integrity", `${what}: it is not what was shelved`, { hint: 'Run "estrato doctor".' });
    }
    for (const file of [head, state.layers[layer]]) {
      const info = await world.host.imageInfo(file?.file ?? "", { shared: file !== head, format: file?.format ?? "" });
      if (info !== null) continue;
      throw new EstratoError("integrity", `${what}: ${file?.file} is not there`, {
        hint: "Put the file back from a copy, and try again.",
      });
    }
  }
}
