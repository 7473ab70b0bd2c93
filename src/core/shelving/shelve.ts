/** `shelve`: an instance becomes an image and a record, and leaves libvirt. Moves no data. */
import { EstratoError } from "../../errors.ts";
import { confirmed } from "../confirm.ts";
import { saveFirmware } from "../firmware.ts";
import { imageNameLock, requireFreeImageName } from "../images/names.ts";
import { addImage } from "../images/record.ts";
import { planAdoption } from "../instances/adopt.ts";
import { findInstance } from "../instances/find.ts";
import { shutDown } from "../instances/stop.ts";
import type { Action } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, planView, type Step, unchanged } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { isSameFile } from "../same-file.ts";
import { adoptHeads, createHead, definitionByVolume, freezeBelow } from "../snapshots/heads.ts";
import { refuseUnsafe } from "../truth.ts";
import { findToChange } from "../volumes/take-in.ts";
import { packingSteps, packShelf } from "./offload.ts";
import { requirePackingFolder } from "./packing-folder.ts";
import { planShelve, type ShelveData } from "./plan.ts";
import { findShelved, shelvedImageName } from "./record.ts";
import { shelveKind, undefine } from "./shelve-recovery.ts";

export interface ShelveOptions {
  /** How long the guest may take to shut down; then it is powered off. */
  readonly timeoutMs: number;
  /** Also pack its disks, so that their space comes back. Asks first. */
  readonly offload: boolean;
  /**
   * Where the packed disks go: an existing folder (absolute), outside the store; null: the store. Only with `offload`.
   */
  readonly folder: string | null;
}

/**
 * Shelves an instance; one that is shelved already is left alone (with `offload`, packed where it is not). Afterwards
 * libvirt has no domain of it; its disks are the image NAME-shelved; its record, address, snapshots and volumes stay. A
 * dry run returns the plan. Throws "conflict", "host" or "integrity" before the guest is touched; where it fails later,
 * the instance is as it was.
 */
export async function shelveInstance(world: World, target: string, options: ShelveOptions): Promise<PlanView | null> {
  if (options.folder !== null) await requirePackingFolder(world, options.folder);
  const first = findShelved(await world.store.read(), target) ?? (await instanceNamed(world, target));
  if (options.offload && !(await mayPack(world, first.id, first.name, options.folder))) return null;
  const id = world.ids.next("img");
  const names = [first.id, id, imageNameLock(shelvedImageName(first.name))];
  const plan = await withLocks(world, names, (locks) => shelveLocked(world, locks, first.id, id, options));
  if (plan !== null) return plan;
  if (options.offload) await packShelf(world, first.id, options.folder);
  return null;
}

async function instanceNamed(world: World, target: string): Promise<{ readonly id: string; readonly name: string }> {
  const { status } = await findInstance(world, target);
  return { id: status.uuid, name: status.name };
}

async function mayPack(world: World, uuid: string, name: string, folder: string | null): Promise<boolean> {
  if ((await world.store.read()).instances[uuid]?.shelved?.offloaded) return true;
  return confirmed(world, {
    text: `Shelve ${name} and pack its disks?`,
    loses: [
      `the files of its disks: compressed copies${folder === null ? "" : ` in ${folder}`} take their place, which is slow to make and to read`,
    ],
  });
}

async function shelveLocked(
  world: World,
  locks: HeldLocks,
  uuid: string,
  imageId: string,
  options: ShelveOptions,
): Promise<PlanView | null> {
  const before = await world.store.read();
  if (before.instances[uuid]?.shelved != null) {
    if (!options.offload) return unchanged(world, null);
    return world.dryRun ? planView(world, await packingSteps(world, before, uuid, options.folder)) : null;
  }
  const { status } = await findToChange(world, locks, uuid);
  refuseUnsafe(status);
  requireFreeImageName(before, shelvedImageName(status.name));
  const adoption = await planAdoption(world, status);
  const data = await planShelve(world, adoption.state, status, imageId);
  const steps = shelveSteps(world, locks, adoption.state, status, data, options.timeoutMs);
  // Refused now, rather than when it is shelved already.
  const packing = options.offload
    ? await packingSteps(world, adoption.state, uuid, options.folder, (draft) => recordShelved(draft, data))
    : [];
  return run<ShelveData, null>(world, locks, {
    kind: shelveKind,
    target: status.name,
    data,
    steps,
    begin: () => adoption.store(locks),
    follows: async () => ({ steps: packing, notes: [], bytes: null }),
    result: async () => null,
  });
}

function shelveSteps(
  world: World,
  locks: HeldLocks,
  state: State,
  status: DomainStatus,
  data: ShelveData,
  timeoutMs: number,
): Step[] {
  const { uuid, heads } = data;
  const steps: Step[] = [];
  if (status.live !== null) {
    const shown: Action[] = [{ do: "shutdown", domain: uuid, timeoutMs, thenDestroy: true }];
    if (data.shelved.was === "paused") shown.unshift({ do: "resume", domain: uuid });
    steps.push({ id: "stop", title: "Stop it", shown, run: () => stopGuest(world, locks, status, data, timeoutMs) });
  }
  steps.push({ id: "keep-definition", title: "Keep the definition", run: () => keepDefinition(world, data) });
  steps.push(...saveFirmware(world, data.firmware, data.image));
  steps.push(
    { id: "make-new-heads", title: "Make new heads", actions: heads.map(createHead) },
    { id: "freeze-layers", title: "Freeze the layers", actions: freezeBelow(state, heads) },
    {
      id: "record-shelved",
      title: "Record it as shelved",
      run: () => world.store.update((draft) => recordShelved(draft, data)),
    },
    { id: "undefine-domain", title: "Undefine the domain", actions: undefine(data) },
  );
  return steps;
}

/** A paused guest still has unwritten data in its memory: it runs on, to write it. */
async function stopGuest(
  world: World,
  locks: HeldLocks,
  status: DomainStatus,
  data: ShelveData,
  timeoutMs: number,
): Promise<void> {
  if (data.shelved.was === "paused") {
    try {
      await perform(world, locks, [{ do: "resume", domain: data.uuid }]);
    } catch (error) {
      if (!(error instanceof EstratoError) || error.code === "interrupted") throw error;
      world.report.note(`${data.name}: could not be resumed and is powered off (${error.message})`);
      await perform(world, locks, [{ do: "destroy", domain: data.uuid }]);
      return;
    }
  }
  await shutDown(world, locks, status, { force: false, timeoutMs, wait: true });
}

/** As it is now: the guest is off, and nobody but us may have changed its disks since we looked. */
async function keepDefinition(world: World, data: ShelveData): Promise<void> {
  const status = await world.host.domainStatus(data.uuid);
  if (status === null || status.live !== null) {
    throw new EstratoError(
      "conflict",
      `instance ${data.name}: it ${status === null ? "has gone" : "was started"} meanwhile`,
    );
  }
  refuseUnsafe(status);
  for (const { device, before } of data.heads) {
    const defined = status.inactive.disks.find((disk) => disk.device === device)?.source;
    if (await isSameFile(world, defined ?? "", before.file)) continue;
    throw new EstratoError(
      "integrity",
      `instance ${data.name}: ${device}: libvirt's definition uses ${defined ?? "no such disk"}, recorded is ${before.file}`,
      { hint: 'Run "estrato doctor --repair".' },
    );
  }
  const text = definitionByVolume(world, status.inactive.xml, data.heads);
  await world.store.writeRecord(data.image.definition ?? "", text);
}

/** The image, the heads and the record in one transaction: it decides which way a crash goes. Idempotent. */
export function recordShelved(draft: State, data: ShelveData): void {
  adoptHeads(draft, data.heads);
  addImage(draft, data.image);
  const instance = draft.instances[data.uuid];
  if (instance === undefined) throw new EstratoError("integrity", `instance ${data.name}: it is not recorded`);
  instance.name = data.name; // libvirt's is the true one, and cannot be asked from here on
  instance.shelved = data.shelved;
}
