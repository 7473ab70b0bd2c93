/**
 * `instance delete`: dropping the pointers is all that the verb owes; the layers that were only this instance's are
 * collected after. Disks that were there before estrato are never deleted.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { dropBookmarks } from "../backups/bookmarks.ts";
import { confirmed } from "../confirm.ts";
import { hasOwnTpm } from "../firmware.ts";
import { freedByDropping, turnedOff } from "../layers/freed.ts";
import type { Action } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Image, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { isPlan, type PlanView, perform, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { setLines } from "../schedules/create.ts";
import { CRONTAB_LOCK } from "../schedules/find.ts";
import { unlinkShelf } from "../shelving/record.ts";
import { dropSnapshots, unlinkRecords } from "../snapshots/drop.ts";
import { letGo } from "../volumes/attachment.ts";
import { findToChange } from "../volumes/take-in.ts";
import { type Doomed, findDoomed, losses } from "./doomed.ts";
import { forgetForeignVolumes } from "./foreign.ts";
import { keptName } from "./kept-definition.ts";
import { ownAlone } from "./own-alone.ts";
import { laterSeeds } from "./seed.ts";

export interface DeleteInstanceOptions {
  readonly keepVolumes: boolean;
}

/** What the journal remembers: enough to go forward, whatever libvirt and the state still hold. */
interface DeleteData {
  readonly uuid: string;
  readonly name: string;
  readonly domain: boolean; // libvirt had it
  readonly volumes: readonly string[]; // that go
  readonly detached: readonly string[]; // that stay
  readonly snapshots: readonly string[];
  readonly addresses: readonly { readonly network: string; readonly mac: string; readonly ip: string }[];
  readonly files: readonly string[];
  readonly tpm: boolean; // what libvirt keeps of its TPM goes with it
  readonly image: Image | null; // that it is shelved in
  readonly schedules: readonly { readonly id: string; readonly name: string }[];
  // That their lines stand in; null: there is none to take them out of
  readonly crontab: { readonly file: string | null } | null;
}

export const deleteInstanceKind: Kind<DeleteData> = {
  name: "instance.delete",
  version: 1,
  data: v.object({
    uuid: v.string(),
    name: v.string(),
    domain: v.boolean(),
    volumes: v.array(v.string()),
    detached: v.array(v.string()),
    snapshots: v.array(v.string()),
    addresses: v.array(v.object({ network: v.string(), mac: v.string(), ip: v.string() })),
    files: v.array(v.string()),
    tpm: v.boolean(),
    image: v.nullable(recordSchemas.image),
    schedules: v.array(v.object({ id: v.string(), name: v.string() })),
    crontab: v.nullable(v.object({ file: v.nullable(v.string()) })),
  }),
  recover: recoverInstanceDelete,
};

/**
 * Deletes an instance, running or not, with its snapshots and the volumes that its creation made; others are detached.
 * Its schedules go too. Images, backups and snapshots of volumes stay. Asks first; null where the answer was no, or
 * when it is done; a dry run returns the plan. Memory that libvirt has saved of it is named as lost, and goes. Throws
 * "conflict" for a protected snapshot, for what undefining would break (libvirt's own snapshots), where what another
 * tool has put on its disks cannot be taken in, and where more would go by then than what was asked about.
 */
export async function deleteInstance(
  world: World,
  target: string,
  options: DeleteInstanceOptions,
): Promise<PlanView | null> {
  const first = await findDoomed(world, target, options.keepVolumes);
  if (!(await confirmed(world, { text: `Delete instance ${first.name}?`, loses: losses(world, first) }))) return null;
  const plan = await withLocks(world, [first.uuid, ...scheduleLocks(first)], async (locks) => {
    // What another tool has put on its disks holds what the guest last wrote.
    if (first.status !== null) await findToChange(world, locks, first.uuid);
    const doomed = await findDoomed(world, first.uuid, options.keepVolumes);
    requireAsked(first, doomed);
    return deleteDoomed(world, locks, doomed);
  });
  if (!isPlan(plan)) await forgetForeignVolumes(world, first.foreign, first.name);
  return plan;
}

/**
 * Throws "conflict" where more would go by now than what was asked about: nobody has said yes to that, and the locks of
 * later schedules are not held.
 */
function requireAsked(asked: Doomed, now: Doomed): void {
  const changes = {
    "got a schedule": isMore(asked.schedules, now.schedules),
    "got a snapshot": isMore(asked.snapshots, now.snapshots),
    "got a disk": isMore(asked.volumes, now.volumes),
    "been started": now.status?.live != null && asked.status?.live == null,
  };
  for (const [what, isSo] of Object.entries(changes)) {
    if (isSo)
      throw new EstratoError("conflict", `instance ${now.name}: it has ${what} meanwhile`, { hint: "Try again." });
  }
}

function isMore(before: readonly { readonly id: string }[], now: readonly { readonly id: string }[]): boolean {
  return now.some(({ id }) => !before.some((one) => one.id === id));
}

/** Under its lock, and those of its schedules. */
export async function deleteDoomed(world: World, locks: HeldLocks, doomed: Doomed): Promise<PlanView | null> {
  const data = await dataOf(world, doomed, await crontabOf(world, doomed));
  const steps = deleteInstanceSteps(world, data, doomed.status?.managedSave ?? false);
  return run<DeleteData, null>(world, locks, {
    kind: deleteInstanceKind,
    target: data.name,
    data,
    steps,
    follows: () => freedByDropping(world, doomed.state, (draft) => dropRecords(draft, data), turnedOff(data.uuid)),
    result: async () => null,
  });
}

/** A schedule that is at work is waited for, as any work on the instance is. */
function scheduleLocks({ schedules }: Doomed): string[] {
  return schedules.length === 0 ? [] : [CRONTAB_LOCK, ...schedules.map(({ id }) => id)];
}

/** Where cron has gone, nothing calls their lines: they keep no instance from being deleted. */
async function crontabOf(world: World, { schedules }: Doomed): Promise<DeleteData["crontab"]> {
  if (schedules.length === 0) return null;
  try {
    return { file: (await world.host.crontab()).file };
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "host") throw error;
    world.report.note(`the lines of its schedules stay: ${error.message}`);
    return null;
  }
}

async function dataOf(world: World, doomed: Doomed, crontab: DeleteData["crontab"]): Promise<DeleteData> {
  const { paths } = world.store;
  const { record, uuid } = doomed;
  const files: string[] = [];
  if (record !== null) {
    files.push(paths.consoleLog(uuid), paths.knownHosts(uuid), paths.record(keptName(uuid)));
    for (const path of paths.oldConsoleLogs(uuid)) if ((await world.host.fileInfo(path)) !== null) files.push(path);
  }
  const seed = record?.seed ?? null;
  const seeds = seed === null ? [] : [paths.seed(uuid), ...(await laterSeeds(world, uuid))];
  const gone = new Set(doomed.snapshots.map(({ id }) => id));
  const snapshots = Object.fromEntries(Object.entries(doomed.state.snapshots).filter(([id]) => !gone.has(id)));
  const left = { state: { ...doomed.state, snapshots }, uuid };
  files.push(...(await ownAlone(world, left, [...seeds, ...ownNvram(world, doomed.status)])));
  return {
    uuid,
    name: doomed.name,
    domain: doomed.status !== null,
    volumes: doomed.volumes.map((volume) => volume.id),
    detached: [...doomed.kept, ...doomed.foreign].map((volume) => volume.id),
    snapshots: doomed.snapshots.map((snapshot) => snapshot.id),
    addresses: record?.addresses ?? [],
    files,
    tpm: hasOwnTpm(doomed.state, uuid, doomed.status?.inactive ?? null),
    image: doomed.image,
    schedules: doomed.schedules.map(({ id, name }) => ({ id, name })),
    crontab,
  };
}

/** The NVRAM file where it is one of ours; a foreign one stays, like a foreign disk. */
function ownNvram(world: World, status: DomainStatus | null): string[] {
  const path = status?.inactive.nvram ?? null;
  return path?.startsWith(`${world.store.paths.layersFolder}/`) ? [path] : [];
}

function deleteInstanceSteps(world: World, data: DeleteData, saved: boolean): Step[] {
  const steps: Step[] = [];
  const lines = removeLines(data);
  if (lines.length > 0) {
    const names = data.schedules.map(({ name }) => name).join(", ");
    steps.push({
      id: "remove-lines",
      title: `Take the lines of its schedules out of the crontab: ${names}`,
      actions: lines,
    });
  }
  if (data.domain) {
    steps.push(
      { id: "stop", title: "Stop it", actions: [{ do: "destroy", domain: data.uuid }] },
      { id: "undefine", title: "Undefine it", actions: [undefine(data.uuid, saved)] },
    );
  }
  if (data.addresses.length > 0)
    steps.push({ id: "release-address", title: "Release its address", actions: releaseAddresses(data) });
  steps.push(
    {
      id: "forget",
      title: `Forget it and its snapshots${data.schedules.length === 0 ? "" : " and schedules"}`,
      run: () => world.store.update((draft) => dropRecords(draft, data)),
    },
    { id: "remove-records", title: "Remove its records", actions: unlinkFiles(world, data) },
  );
  return steps;
}

function undefine(domain: string, saved: boolean): Action {
  return { do: "undefine", domain, nvram: false, ...(saved ? { saved } : {}) };
}

function removeLines({ crontab, schedules }: DeleteData): Action[] {
  return crontab === null ? [] : schedules.map(({ id }) => setLines(crontab.file, id, []));
}

function releaseAddresses(data: DeleteData): Action[] {
  return data.addresses.map((address): Action => ({ do: "release-address", ...address }));
}

function unlinkFiles(world: World, data: DeleteData): Action[] {
  const shelf = data.image === null ? [] : unlinkShelf(world, data.image);
  return [
    ...data.files.map((path): Action => ({ do: "unlink", path })),
    ...(data.tpm ? ([{ do: "remove-tpm", domain: data.uuid }] as const) : []),
    ...shelf,
    ...unlinkRecords(world, data.snapshots),
  ];
}

/** Drops every pointer of the instance in one transaction. The layers are the collector's. Idempotent. */
function dropRecords(draft: State, data: DeleteData): void {
  dropSnapshots(draft, data.snapshots);
  for (const id of data.volumes) delete draft.volumes[id];
  for (const id of data.detached) {
    const volume = draft.volumes[id];
    if (volume?.instance === data.uuid) letGo(volume);
  }
  if (data.image !== null) delete draft.images[data.image.id];
  for (const { id } of data.schedules) delete draft.schedules[id];
  dropBookmarks(draft, data.uuid);
  delete draft.instances[data.uuid];
}

/** Always forward: what was to go, goes. */
async function recoverInstanceDelete(world: World, locks: HeldLocks, data: DeleteData): Promise<Outcome> {
  await perform(world, locks, removeLines(data));
  const status = await world.host.domainStatus(data.uuid);
  if (status !== null)
    await perform(world, locks, [{ do: "destroy", domain: data.uuid }, undefine(data.uuid, status.managedSave)]);
  await perform(world, locks, releaseAddresses(data));
  await world.store.update((draft) => dropRecords(draft, data));
  await perform(world, locks, unlinkFiles(world, data));
  return "forward";
}
