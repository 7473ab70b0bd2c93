/**
 * What a killed command had half made, where its journal entry is lost too: instances that were never defined, and
 * guests that were started to verify a backup. Files are looked at in files.ts. To be asked only where no operation is
 * under way.
 */
import { dirname } from "node:path";
import { deleteDoomed } from "../instances/delete.ts";
import { findDoomed } from "../instances/doomed.ts";
import { keptDefinition } from "../instances/kept-definition.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import { forgetVolumes, isUnwritten, type NewVolume } from "../layers/heads.ts";
import { type Action, unlinkAll } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Instance, State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { snapshotsOf } from "../snapshots/names.ts";
import type { Finding } from "./finding.ts";

/** As `backup verify --boot` calls them. */
const VERIFYING = /^estrato-verify-(bak-[0-9a-f]{17})$/;

export async function examineVerifying(world: World, state: State): Promise<Finding[]> {
  return [...(await world.host.domainStatuses()).values()].flatMap((status) => {
    const backup = VERIFYING.exec(status.name)?.[1];
    if (backup === undefined || !isThrowAway(world, state, status)) return [];
    return [
      {
        subject: `domain ${status.name}`,
        problem: `it was started to verify ${backup}, by a command that was killed`,
        remedy: "Throw it away: it holds nothing but what it wrote when it booted.",
        mending: {
          locks: [status.uuid],
          loses: [],
          mend: async (w: World, locks: HeldLocks) => {
            const now = await w.host.domainStatus(status.uuid);
            if (now !== null && isThrowAway(w, await w.store.read(), now)) await perform(w, locks, throwAway(w, now));
          },
        },
      },
    ];
  });
}

/** Everything that it is made of lies in our folder, and nothing remembers any of it. */
function isThrowAway({ store }: World, { layers, instances }: State, { uuid, inactive, live }: DomainStatus): boolean {
  const known = new Set(Object.values(layers).map(({ file }) => file));
  const disks = [inactive, ...(live === null ? [] : [live])].flatMap((one) => one.disks);
  const isOurs = (source: string | null) =>
    source !== null && dirname(source) === store.paths.layersFolder && !known.has(source);
  return instances[uuid] === undefined && disks.length > 0 && disks.every(({ source }) => isOurs(source));
}

function throwAway({ store }: World, { uuid, inactive }: DomainStatus): Action[] {
  const files = inactive.disks.flatMap(({ source }) => source ?? []);
  const nvram = inactive.nvram?.startsWith(`${store.paths.layersFolder}/`) ? [inactive.nvram] : [];
  return [
    { do: "destroy", domain: uuid },
    { do: "undefine", domain: uuid, nvram: false },
    ...unlinkAll([...files, ...nvram, store.paths.consoleLog(uuid)]),
  ];
}

/**
 * One that libvirt has no domain of, since it never came so far: null where anything of it may be somebody's. Asks
 * first, since its name, its addresses and its user data go.
 */
export async function neverDefined(world: World, state: State, instance: Instance): Promise<Finding | null> {
  const { entries } = await world.store.journal.scan();
  if (entries.some(({ locks }) => locks.includes(instance.id))) return null; // it is being made, or recovered
  if ((await emptyDisks(world, state, instance)) === null) return null;
  return {
    subject: `instance ${instance.name}`,
    problem: "it was being made when a command was killed: it was never defined, and its disks are empty",
    remedy: "Delete what there is of it.",
    mending: {
      locks: [instance.id],
      loses: [`instance ${instance.name}, which never ran`],
      mend: async (w, locks) => {
        const now = await w.store.read();
        const record = now.instances[instance.id];
        const disks = record === undefined ? null : await emptyDisks(w, now, record);
        if (disks === null) return;
        await perform(w, locks, unlinkAll(disks.map(({ layer }) => layer.file)));
        await w.store.update((draft) => forgetVolumes(draft, disks));
        await deleteDoomed(w, locks, await findDoomed(w, instance.id, false));
      },
    },
  };
}

/** The disks that it was to get; null where it is more than that: it has run, or may have. */
async function emptyDisks(world: World, state: State, instance: Instance): Promise<NewVolume[] | null> {
  if (instance.origin !== "created" || instance.shelved !== null) return null;
  if (snapshotsOf(state, instance.id).length > 0 || (await keptDefinition(world, instance.id)) !== null) return null;
  if ((await world.host.domainStatus(instance.id)) !== null) return null;
  const disks: NewVolume[] = [];
  for (const volume of volumesOf(state, instance.id).values()) {
    const layer = state.layers[volume.head];
    if (!volume.deleteWithInstance) continue; // one that was there before: it stays
    if (layer === undefined || layer.frozen || !(await isUnwritten(world, layer))) return null;
    disks.push({ layer, volume });
  }
  return disks;
}
