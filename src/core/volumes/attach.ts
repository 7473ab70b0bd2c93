/** `volume attach`: a free volume becomes a disk of an instance, in its definition and, where it runs, in the guest. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { definedUnder, filesUnder, hasFile } from "../files-under.ts";
import { diskFileOf } from "../graph/files.ts";
import { planAdoption } from "../instances/adopt.ts";
import { findInstance, findNow } from "../instances/find.ts";
import { SEED_DEVICE } from "../instances/seed.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DomainStatus, NewDisk } from "../model/host.ts";
import { newDiskSchema } from "../model/journal-data.ts";
import type { State, Volume } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, type Step, unchanged } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { requireLeft } from "../snapshots/unheld.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { attachTo, serialOf } from "./attachment.ts";
import { storedVolume, volumeLabel, withVolume } from "./find.ts";
import { headOf, requireIdle, requireNoSnapshots, requireUnfrozen } from "./requirements.ts";
import { findToChange } from "./take-in.ts";

interface AttachData {
  readonly uuid: string;
  readonly instance: string; // its name
  readonly volume: string;
  readonly disk: NewDisk;
}

export const attachKind: Kind<AttachData> = {
  name: "volume.attach",
  forQemu: () => true,
  version: 1,
  data: v.object({ uuid: v.string(), instance: v.string(), volume: v.string(), disk: newDiskSchema }),
  recover: recoverAttach,
};

/**
 * Attaches a volume under the next free name (vdb, vdc, …); its serial begins with its id, so that the guest finds it
 * under /dev/disk/by-id. Afterwards QEMU, the definition and the record agree. One that is attached to that instance is
 * left alone. Throws "not_found"; "conflict" where it is attached elsewhere, or where the instance has snapshots, or
 * something that libvirt holds is in the way.
 */
export async function attachVolume(world: World, instance: string, target: string): Promise<Volume | PlanView> {
  const { status: first } = await findInstance(world, instance);
  return withVolume(
    world,
    target,
    async (locks, early, volume) => {
      const { status } = await findToChange(world, locks, first.uuid);
      if (volume.instance === status.uuid) return unchanged(world, volume, "It is attached.");
      const label = volumeLabel(early, volume);
      if (volume.instance !== null) {
        const other = early.instances[volume.instance]?.name ?? volume.instance;
        throw new EstratoError("conflict", `volume ${label}: it is attached to ${other} as ${volume.device}`, {
          hint: `Detach it first: estrato volume detach ${other} ${label}.`,
        });
      }
      refuseUnsafe(status);
      requireNoSnapshots(early, status.uuid, status.name, "attached");
      requireUnfrozen(early, volume, "be written");
      await requireIdle(world, early, volume);
      const adoption = await planAdoption(world, status);
      const { state } = adoption;
      await requireAgreement(world, state, status);
      const [device] = freeDevices(state, status);
      const data: AttachData = {
        uuid: status.uuid,
        instance: status.name,
        volume: volume.id,
        disk: diskOf(state, volume, device ?? ""),
      };
      const steps = attachSteps(world, data);
      return run(world, locks, {
        kind: attachKind,
        target: `${status.name} ${label}`,
        data,
        steps,
        begin: () => adoption.store(locks),
        result: () => storedVolume(world, volume),
      });
    },
    [first.uuid],
  );
}

/** The names that a next volume can have, in their order. Throws "conflict" where all are taken. */
export function freeDevices(state: State, status: DomainStatus | null, taken: readonly string[] = []): string[] {
  const disks = [...(status?.inactive.disks ?? []), ...(status?.live?.disks ?? [])].map(({ device }) => device);
  const attached = status === null ? [] : volumesOf(state, status.uuid).keys();
  const used = new Set([...taken, ...disks, ...attached, SEED_DEVICE]);
  const letters = Array.from({ length: 26 }, (_, index) => `vd${String.fromCharCode(97 + index)}`);
  const free = letters.filter((device) => !used.has(device));
  if (free.length > 0) return free;
  throw new EstratoError("conflict", `instance ${status?.name}: it has as many disks as it can have`, {
    hint: "Detach one first.",
  });
}

/** A volume as a disk of a definition. */
export function diskOf(state: State, volume: Volume, device: string): NewDisk {
  const head = headOf(state, volume);
  return { device, ...diskFileOf(state, head), readonly: false, serial: serialOf(volume) };
}

function attachSteps(world: World, data: AttachData): Step[] {
  return [
    {
      id: "attach-disk",
      title: "Attach the disk",
      actions: [{ do: "attach-disk", domain: data.uuid, disk: data.disk }],
    },
    { id: "compare", title: "Compare QEMU, libvirt and the plan", run: () => requireAttached(world, data) },
    { id: "record", title: "Record it", run: () => record(world, data) },
  ];
}

async function requireAttached(world: World, data: AttachData): Promise<void> {
  const { status } = await findNow(world, data.uuid);
  const { device, path } = data.disk;
  const named = [status.inactive, ...(status.live === null ? [] : [status.live])].every((definition) =>
    definition.disks.some(
      (disk) =>
        disk.device === device && disk.source === path && disk.secret === (data.disk.encryption?.secret ?? null),
    ),
  );
  if (named && (status.live === null || (await isOpen(world, data)))) return;
  throw new EstratoError(
    "integrity",
    `instance ${status.name}: ${device} is not ${path} everywhere after attaching it`,
    {
      hint: 'Run "estrato doctor".',
    },
  );
}

/** Has QEMU the volume as that disk? */
async function isOpen(world: World, { uuid, disk }: AttachData): Promise<boolean> {
  const open = await world.host.qemuDisks(uuid);
  return open.find(({ device }) => device === disk.device)?.chain[0] === disk.path;
}

async function record(world: World, data: AttachData): Promise<void> {
  await world.store.update((draft) => {
    const volume = draft.volumes[data.volume];
    if (volume !== undefined) attachTo(volume, data.uuid, data.disk.device);
  });
}

/**
 * An attachment that never ended. Forward where QEMU has the disk, or where the guest is off and defined with it: it
 * may have been written to there. Back otherwise: out of the definition, which is written first, and closed by a QEMU
 * that was only given its file.
 */
async function recoverAttach(world: World, locks: HeldLocks, data: AttachData): Promise<Outcome> {
  if ((await world.store.read()).volumes[data.volume]?.instance === data.uuid) return "forward";
  const status = await world.host.domainStatus(data.uuid);
  // Others may have put something on it since: it is its disk all the same.
  const { path } = data.disk;
  const isDefined = status !== null && (await hasFile(world, await definedUnder(world, status.inactive), path));
  if (status === null || !(await hasFile(world, await filesUnder(world, status), path))) {
    if (status !== null && [status.inactive, status.live].some((one) => one !== null && names(one, data.disk))) {
      await perform(world, locks, [
        { do: "detach-disk", domain: data.uuid, device: data.disk.device, timeoutMs: UNDO_MS },
      ]);
    }
    await requireLeft(world, locks, data.uuid, path);
    return "back";
  }
  const isTaken = status.inactive.disks.some(({ device }) => device === data.disk.device);
  if (!isDefined && !isTaken) {
    const xml = world.host.editDefinition(status.inactive.xml, { addDisks: [data.disk] });
    await perform(world, locks, [{ do: "define", xml }]);
  }
  await record(world, data);
  return "forward";
}

const UNDO_MS = 10_000;

function names(definition: DomainStatus["inactive"], disk: NewDisk): boolean {
  return definition.disks.some(({ device, source }) => device === disk.device && source === disk.path);
}
