/** `volume create`: an empty disk, or a new head on a layer of a snapshot or an image. Moves no data. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import {
  awaitUnmerged,
  createFiles,
  forgetVolumes,
  isUnwritten,
  markUses,
  type NewVolume,
  newVolumeSchema,
  planVolume,
  storeVolumes,
} from "../layers/heads.ts";
import { defineSecret, forgetSecret } from "../layers/secrets.ts";
import type { Action } from "../model/action.ts";
import { asRead } from "../model/drafts.ts";
import type { State, Volume } from "../model/state.ts";
import { requireFree, requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { borrowedChoice, borrowImage, imageToCopy, withBorrowed } from "../sharing/borrow.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { requireDiskSize } from "./requirements.ts";
import { findVolumeSource, type VolumeSource, type VolumeSourceChoice, volumeSourceExists } from "./source.ts";

export interface CreateVolumeOptions {
  readonly name: string;
  readonly source: VolumeSourceChoice | null; // null: an empty disk
  readonly sizeBytes: number | null; // null: as large as its source
  /**
   * The file that holds the passphrase of an empty disk that is to be encrypted; one from an encrypted source is
   * encrypted by itself.
   */
  readonly passphraseFile?: string | null;
  /** Stand on the files of a lender who is not root, without a copy. */
  readonly trustOwner?: boolean;
}

interface CreateData {
  readonly made: NewVolume;
}

export const createVolumeKind: Kind<CreateData> = {
  name: "volume.create",
  forQemu: () => true,
  version: 1,
  data: v.object({ made: newVolumeSchema }),
  recover: recoverVolumeCreate,
};

/**
 * Makes a volume that is attached to nothing. Throws "usage" for a malformed name or a size that is missing or less
 * than its source's, "not_found", "conflict" for a name that is taken, "host". A dry run returns the plan and changes
 * nothing.
 */
export async function createVolume(world: World, options: CreateVolumeOptions): Promise<Volume | PlanView> {
  requireName("volume", options.name);
  const what = `volume ${options.name}`;
  if (options.sizeBytes !== null) requireDiskSize(what, options.sizeBytes);
  await requireEncryptable(world, what, options);
  const stored = await world.store.read();
  const copied = await imageToCopy(world, stored, options.source, { trustOwner: options.trustOwner ?? false });
  if (copied !== null && options.source !== null) {
    requireFreeVolumeName(stored, options.name);
    const source = options.source;
    const { withCopyOf } = await import("../sharing/copy.ts");
    return withCopyOf(world, copied, (within, image) =>
      createVolume(within, { ...options, source: { ...source, target: image.id } }),
    );
  }
  const id = world.ids.next("vol");
  return withLocks(world, [id], async (locks) => {
    const stored = await world.store.read();
    requireFreeVolumeName(stored, options.name);
    const loan = await borrowImage(world, stored, options.source);
    const early = withBorrowed(stored, loan);
    const choice = options.source === null ? null : borrowedChoice(options.source, loan);
    const first = choice === null ? null : findVolumeSource(early, choice);
    const state = withBorrowed(await awaitUnmerged(world, first === null ? [] : [first.layer], what), loan);
    const source = choice === null ? null : findVolumeSource(state, choice);
    const made = await plan(world, state, id, options, source);
    const steps = createVolumeSteps(world, state, made, source, options.passphraseFile ?? null);
    return run<CreateData, Volume>(world, locks, {
      kind: createVolumeKind,
      target: options.name,
      data: { made },
      steps,
      result: async () => made.volume,
    });
  });
}

/**
 * What it stands on would stay plain. Throws "usage" there, and where the file holds no passphrase; "host" where it
 * cannot be read.
 */
async function requireEncryptable(world: World, what: string, { source, passphraseFile }: CreateVolumeOptions) {
  if (passphraseFile == null) return;
  if (source !== null) {
    throw new EstratoError("usage", `${what}: only an empty volume can be encrypted anew`, {
      hint: "Leave --encrypt out: what is made from an encrypted source is encrypted as that is.",
    });
  }
  await world.host.checkPassphrase(passphraseFile);
}

/** Throws "conflict". */
export function requireFreeVolumeName(state: State, name: string): void {
  const names = Object.values(state.volumes).map((one) => one.name);
  requireFree("volume", name, names);
}

async function plan(
  world: World,
  state: State,
  id: string,
  options: CreateVolumeOptions,
  source: VolumeSource | null,
): Promise<NewVolume> {
  const what = `volume ${options.name}`;
  if (source !== null) {
    const { maxChain } = await world.host.capabilities();
    const note = requireRoomInChain(state, source.layer, maxChain, what);
    if (note !== null) world.report.note(note);
  }
  await requireSpace(world, EMPTY_HEAD_BYTES, what);
  return planVolume(world, state, {
    id,
    what,
    name: options.name,
    instance: null,
    device: null,
    parent: source?.layer ?? null,
    askedBytes: options.sizeBytes,
    deleteWithInstance: false,
    sourceSnapshot: source?.kind === "snapshot" ? source.id : null,
    sourceImage: source?.kind === "image" ? source.id : null,
    uefi: source?.uefi ?? false,
    ...(options.passphraseFile == null ? {} : { secret: world.ids.uuid() }),
  });
}

function createVolumeSteps(
  world: World,
  planned: State,
  made: NewVolume,
  source: VolumeSource | null,
  passphraseFile: string | null,
): Step[] {
  let current = planned;
  const what = `volume ${made.volume.name}`;
  const { secret } = made.layer;
  const give: Step[] =
    secret === null || passphraseFile === null
      ? []
      : [
          {
            id: "give-libvirt-passphrase",
            title: "Give libvirt the passphrase",
            actions: [defineSecret(world, secret, what, passphraseFile)],
          },
        ];
  return [
    ...(made.loan === undefined
      ? []
      : [{ id: "tell-lender", title: "Tell the lender", actions: markUses([made], true) }]),
    ...give,
    {
      id: "record-volume",
      title: "Record the volume and its layer",
      run: async () => {
        await storeVolumes(world, [made], what, (draft) => {
          const others = Object.values(asRead(draft.volumes)).filter((one) => one.id !== made.volume.id);
          requireFree(
            "volume",
            made.volume.name ?? "",
            others.map((one) => one.name),
          );
          if (source !== null && made.loan === undefined && !volumeSourceExists(draft, source)) {
            throw new EstratoError("conflict", `${what}: ${source.label} has been deleted meanwhile`);
          }
        });
        current = await world.store.read();
      },
    },
    {
      id: "make-disk",
      title: "Make the disk",
      // Read when the step comes: a merge that we waited for may have moved what it stands on.
      get actions(): readonly Action[] {
        return createFiles(current, [made]);
      },
    },
  ];
}

/**
 * Forward where its file is there, which appears whole or not at all; back otherwise. Throws "integrity" rather than
 * forget what was written.
 */
async function recoverVolumeCreate(world: World, locks: HeldLocks, { made }: CreateData): Promise<Outcome> {
  const state = await world.store.read();
  const isRecorded = state.volumes[made.volume.id] !== undefined;
  if (isRecorded && (await world.host.fileInfo(made.layer.file)) !== null) return "forward";
  if (!(await isUnwritten(world, made.layer))) {
    throw new EstratoError(
      "integrity",
      `volume ${made.volume.name}: ${made.layer.file} holds data, and is not recorded`,
      {
        hint: "Copy that file and remove it.",
      },
    );
  }
  await perform(world, locks, [{ do: "unlink", path: made.layer.file }]);
  await world.store.update((draft) => forgetVolumes(draft, [made]));
  await perform(world, locks, markUses([made], false));
  await forgetSecret(world, locks, made.layer.secret);
  return "back";
}
