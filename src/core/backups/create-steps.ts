/** The steps from frozen layers to a backup that has its name. */
import { EstratoError } from "../../errors.ts";
import { pathsOf } from "../firmware.ts";
import { recordedDefinition } from "../instances/definition-file.ts";
import type { Action } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import type { Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { copyActions, type DiskCopy } from "./copies.ts";
import { type BackupData, recordBackup, snapshotOf } from "./create-recovery.ts";
import { giveKey, takeKey } from "./key.ts";
import { DEFINITION, MANIFEST, NVRAM, SEED, sumsFile, TPM } from "./parts.ts";
import { BLOCK_BYTES } from "./sums.ts";
import { openTarget } from "./targets/open.ts";
import type { UnfinishedBackup } from "./targets/target.ts";
import { requireCopies, writeManifest } from "./write.ts";

export interface CopyHow {
  /** QEMU runs as another user, whose guests may be booted from it. */
  readonly passable: boolean;
  readonly compress: boolean;
  readonly passphraseFile: string | null;
  /** What the copies move. */
  readonly bytes: number;
}

/**
 * From the frozen layers to a backup that has its name. `now`: asked when the step comes. `records`: how the small
 * files come there, for the plan.
 */
export function copySteps(
  world: World,
  data: BackupData,
  how: CopyHow,
  now: () => { readonly state: State; readonly copies: readonly DiskCopy[] },
  records: readonly Action[],
): Step[] {
  const target = openTarget(world, data.target);
  const part = target.unfinished(data.part);
  const summed = new Map<string, readonly string[]>();
  return [
    ...giveKey(world, data.secret, how.passphraseFile, data.id),
    { id: "make-folder", title: "Make the folder", actions: part.begin(how) },
    {
      id: "copy-disks",
      title: "Copy the disks",
      bytes: how.bytes,
      sums: { blockBytes: BLOCK_BYTES, taken: (path, sums) => summed.set(path, sums) },
      get actions() {
        const { state, copies } = now();
        return copyActions(state, copies, part, { compress: how.compress, secret: data.secret });
      },
    },
    {
      id: "copy-definition",
      title: "Copy the definition and what the firmware kept",
      shown: records,
      run: () => copyRecords(world, data, part),
    },
    {
      id: "compare-copies",
      title: "Compare the copies with the plan",
      run: () => requireCopies(world, now().state, now().copies, target, part, data.secret),
    },
    {
      id: "write-manifest",
      title: "Write the manifest",
      get shown() {
        const sums = now().copies.map(({ device }) => sumsFile(device, null));
        return [...sums, MANIFEST].flatMap((file) => part.writeText(file, ""));
      },
      run: () => writeManifest(world, data, now().state, now().copies, part, summed),
    },
    { id: "give-name", title: "Give it its name", actions: part.finish(data.id) },
    { id: "bookmark-layers", title: "Bookmark the layers", run: () => recordBackup(world, data) },
    ...takeKey(data.secret),
  ];
}

/** How the small files of a guest as it is now come into its backup. */
export async function recordsShown(
  world: World,
  state: State,
  { inactive }: DomainStatus,
  data: BackupData,
): Promise<Action[]> {
  const part = openTarget(world, data.target).unfinished(data.part);
  const { nvram } = inactive;
  return [
    ...part.writeText(DEFINITION, ""),
    ...(nvram === null ? [] : part.takeFile(NVRAM, nvram)),
    ...(inactive.tpm === null ? [] : part.takeFile(TPM, inactive.tpm)),
    ...(await seedActions(world, state, data, part)),
  ];
}

async function seedActions(world: World, state: State, data: BackupData, part: UnfinishedBackup): Promise<Action[]> {
  const seed = state.instances[data.through.instance]?.seed ?? null;
  // It may hold secrets, and is no image: what is encrypted keeps nothing open that its disks would hide.
  if (seed === null || data.secret !== null || (await world.host.fileInfo(seed)) === null) return [];
  return part.takeFile(SEED, seed);
}

async function copyRecords(world: World, data: BackupData, part: UnfinishedBackup): Promise<void> {
  const state = await world.store.read();
  const snapshot = snapshotOf(state, data);
  const definition = snapshot.definition === null ? null : await recordedDefinition(world, snapshot.definition);
  if (definition === null) throw new EstratoError("integrity", `backup ${data.id}: its definition is not there`);
  const actions = part.writeText(DEFINITION, definition);
  const { nvram, tpm } = pathsOf(world, snapshot);
  if (nvram !== null) actions.push(...part.takeFile(NVRAM, nvram));
  if (tpm !== null) actions.push(...part.takeFile(TPM, tpm));
  actions.push(...(await seedActions(world, state, data, part)));
  for (const action of actions) await world.host.perform(action);
}
