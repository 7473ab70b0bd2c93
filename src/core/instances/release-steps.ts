/** What releasing an adopted guest does, and what becomes of a release that did not end. */
import { dirname } from "node:path";
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { type Copy, copySchema } from "../firmware.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import type { DomainDefinition, DomainDisk, DomainStatus } from "../model/host.ts";
import { type Instance, type Layer, recordSchemas, type State } from "../model/state.ts";
import { giveBack, WRITABLE } from "../modes.ts";
import { perform, type Step } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { isLive } from "./find.ts";
import { keptName } from "./kept-definition.ts";
import { marking } from "./marks.ts";
import { wrongState } from "./power.ts";
import { forget } from "./stored-adoption.ts";

/** What the journal remembers. */
export interface ReleaseData {
  readonly uuid: string;
  readonly name: string;
  readonly volumes: readonly string[];
  readonly heads: readonly Layer[]; // whose files are given back
  /** Our copy of its NVRAM, and where it goes; null where it has none of ours. */
  readonly nvram: Copy | null;
  readonly xml: string | null; // null: its definition is as it was
  readonly wasLive: boolean;
  /** Another store has it too: it is forgotten here, and what it is made of left to that one. */
  readonly elsewhere: boolean;
}

export const releaseKind: Kind<ReleaseData> = {
  name: "instance.release",
  version: 2,
  data: v.object({
    uuid: v.string(),
    name: v.string(),
    volumes: v.array(v.string()),
    heads: v.array(recordSchemas.layer),
    nvram: v.nullable(copySchema),
    xml: v.nullable(v.string()),
    wasLive: v.boolean(),
    elsewhere: v.boolean(),
  }),
  older: { 1: (data) => ({ ...(data as object), elsewhere: false }) },
  recover: recoverRelease,
};

/** Throws "conflict" where it runs with an NVRAM of ours, which its QEMU has open. */
export async function planDefinition(
  world: World,
  status: DomainStatus,
  instance: Instance | undefined,
): Promise<Pick<ReleaseData, "nvram" | "xml">> {
  const { inactive } = status;
  const from = inactive.nvram;
  const isOurs = from?.startsWith(`${world.store.paths.layersFolder}/`) ?? false;
  if (isOurs && isLive(status))
    throw wrongState(
      status.name,
      "it runs, and has what its firmware keeps open in the store",
      `Stop it first: estrato instance stop ${status.name}.`,
    );
  const nvram = isOurs && from !== null ? { from, to: await nvramPlace(world, status, instance) } : null;
  const dropGenerationId = inactive.generationId && instance?.original?.generationId === false;
  // Those that name their file by its path now, and it is the same.
  const pools = Object.entries(instance?.original?.pools ?? {}).filter(([device, { path }]) =>
    inactive.disks.some((disk) => disk.device === device && disk.pool === null && disk.source === path),
  );
  if (nvram === null && !dropGenerationId && pools.length === 0) return { nvram, xml: null };
  const poolDisks = Object.fromEntries(pools);
  const edit = { dropGenerationId, poolDisks, ...(nvram === null ? {} : { nvram: nvram.to }) };
  return { nvram, xml: world.host.editDefinition(inactive.xml, edit) };
}

/** The place that it had, else libvirt's own for it: a file of somebody else's is never written over. */
async function nvramPlace(world: World, { uuid, name }: DomainStatus, instance: Instance | undefined): Promise<string> {
  const original = instance?.original?.nvram ?? null;
  const others = [...(await world.host.domainStatuses()).values()].filter((one) => one.uuid !== uuid);
  const isNamed = (path: string) =>
    others.some(({ inactive, live }) => [inactive, live].some((one) => one?.nvram === path));
  if (original !== null && !isNamed(original)) return original;
  for (const path of [world.host.nvramPlace(name), world.host.nvramPlace(`${name}-${uuid}`)]) {
    if (!isNamed(path) && (await world.host.fileInfo(path)) === null) return path;
  }
  throw new EstratoError("conflict", `instance ${name}: there is a file where its NVRAM would go`, {
    hint: `Move ${world.host.nvramPlace(name)} away, and try again.`,
  });
}

export function releaseSteps(world: World, state: State, data: ReleaseData): Step[] {
  const { nvram, xml } = data;
  const steps: Step[] = [];
  if (nvram !== null) {
    const actions: Action[] = [
      { do: "make-folder", path: dirname(nvram.to) },
      { do: "copy-file", ...nvram, mode: WRITABLE },
    ];
    steps.push({ id: "place-firmware", title: "Give back what its firmware keeps", actions });
  }
  if (xml !== null) steps.push({ id: "define", title: "Define it as it was", actions: [{ do: "define", xml }] });
  const unmark = marking(world, state, data.uuid, false);
  steps.push(
    ...(unmark.length === 0 ? [] : [{ id: "unmark", title: "Take this store's mark off it", actions: unmark }]),
    { id: "give-files-back", title: "Give owner and mode back", actions: giveFilesBack(data) },
    { id: "forget", title: "Forget it", run: () => forget(world, data) },
    { id: "remove-records", title: "Remove its records", actions: removeRecords(world, data) },
  );
  return steps;
}

/** One that others stand on is theirs to give back. While it runs, libvirt gives the owner back when it stops. */
function giveFilesBack({ heads, wasLive, elsewhere }: ReleaseData): Action[] {
  if (elsewhere) return [];
  return heads.flatMap(({ file, foreign, frozen }): Action[] =>
    foreign === null || frozen ? [] : giveBack(file, foreign, wasLive || foreign.uid === -1),
  );
}

function removeRecords(world: World, { uuid, nvram }: ReleaseData): Action[] {
  const files = [world.store.paths.record(keptName(uuid)), ...(nvram === null ? [] : [nvram.from])];
  return unlinkAll(files);
}

/**
 * Forgotten, or defined as it was: forward. Else back: it goes on with what it had, and the copy of its NVRAM is the
 * one that is removed.
 */
async function recoverRelease(world: World, locks: HeldLocks, data: ReleaseData): Promise<Outcome> {
  const status = await world.host.domainStatus(data.uuid);
  const state = await world.store.read();
  const instance = state.instances[data.uuid];
  if (instance !== undefined) {
    if (status === null || !isDefined(world, status.inactive, data)) {
      const to = data.nvram?.to ?? null;
      // Where it had one before it was adopted, there was a file before.
      const isCopy = to !== null && to !== instance.original?.nvram && status?.inactive.nvram !== to;
      if (isCopy) await perform(world, locks, [{ do: "unlink", path: to }]);
      return "back";
    }
    await perform(world, locks, marking(world, state, data.uuid, false));
    await perform(world, locks, giveFilesBack({ ...data, wasLive: isLive(status) }));
    await forget(world, data);
  }
  await perform(world, locks, removeRecords(world, data));
  return "forward";
}

function isDefined(world: World, now: DomainDefinition, { xml }: ReleaseData): boolean {
  if (xml === null) return true;
  const wanted = world.host.parseDefinition(xml);
  const isSame = ({ device, type }: DomainDisk) =>
    wanted.disks.some((one) => one.device === device && one.type === type);
  return now.nvram === wanted.nvram && now.generationId === wanted.generationId && now.disks.every(isSame);
}
