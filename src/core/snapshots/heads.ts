/** New empty heads on an instance's layers: what a snapshot and a revert have in common. */
import { isDeepStrictEqual } from "node:util";
import * as v from "valibot";
import { EstratoError, NoAnswer } from "../../errors.ts";
import { diskFileOf, secretOf } from "../graph/files.ts";
import { newHeadLayer } from "../layers/record.ts";
import type { Action } from "../model/action.ts";
import type { DiskFile } from "../model/host.ts";
import { diskFileSchema } from "../model/journal-data.ts";
import { type Layer, recordSchemas, type State, type Volume } from "../model/state.ts";
import { freezeFile, freezeTemplates } from "../modes.ts";
import type { World } from "../ports.ts";
import type { HeadFacts } from "../truth.ts";

/** A volume that gets a new head, and what it had before. */
export interface HeadChange {
  readonly volume: string;
  readonly device: string;
  readonly before: Layer;
  readonly after: Layer;
  /** The layer that the new head stands on: `before` itself in a snapshot, a snapshot's layer in a revert. */
  readonly backing: { readonly id: string; readonly path: string; readonly format: "qcow2" | "raw" };
  /**
   * The two as definitions name them. Nobody moves what a volume's head stands on while its instance is locked, nor
   * what a new one does from its being recorded on, which is before its file is made: `requireUnmoved` says that it
   * still lies there.
   */
  readonly files: { readonly before: DiskFile; readonly after: DiskFile };
}

/** As the journal remembers it. */
export const headChangeSchema: v.GenericSchema<unknown, HeadChange> = v.object({
  volume: v.string(),
  device: v.string(),
  before: recordSchemas.layer,
  after: recordSchemas.layer,
  backing: v.object({ id: v.string(), path: v.string(), format: v.picklist(["qcow2", "raw"]) }),
  files: v.object({ before: diskFileSchema, after: diskFileSchema }),
});

/** Plans a new head for a volume, standing on `backing` and at least `sizeBytes` large. Makes nothing yet. */
export function newHead(
  world: World,
  state: State,
  volume: Volume,
  before: Layer,
  backing: Layer,
  sizeBytes: number,
): HeadChange {
  // A head smaller than what it stands on, or than the device the guest sees, would cut the disk off
  // (LIBVIRT.md, "Merging, exactly").
  const after = newHeadLayer(world, backing, Math.max(sizeBytes, backing.sizeBytes));
  return {
    volume: volume.id,
    device: volume.device ?? "",
    before,
    after,
    backing: { id: backing.id, path: backing.file, format: backing.format },
    files: { before: diskFileOf(state, before), after: diskFileOf(state, after) },
  };
}

/**
 * Throws "conflict" for a recorded disk that its guest shares with others by now: they would go on writing to what the
 * new head stands on, and libvirt lets nobody share a qcow2 file, so that it would never be defined on one. `name`: of
 * its instance.
 */
export function requireUnshared({ isShared, device }: Pick<HeadFacts, "isShared" | "device">, name: string): void {
  if (!isShared) return;
  throw new EstratoError("conflict", `instance ${name}: its disk ${device} is shared with others (<shareable/>)`, {
    hint: `Leave it out where that can be said (--exclude-disk ${device}); for good, let go of the instance: estrato instance release ${name}. Taken in anew it leaves such a disk alone.`,
  });
}

/**
 * A head as large as it is by now: who grows a disk without us (virsh blockresize, qemu-img resize) tells us nothing,
 * and what stands on it later may be no smaller. `liveBytes`: as its guest sees it, null where nobody runs on it.
 * Throws "integrity" where its file is not there. `what`: "instance web1: disk vda".
 */
export async function asLargeAsItIs(world: World, head: Layer, liveBytes: number | null, what: string): Promise<Layer> {
  const bytes =
    liveBytes ?? (await world.host.imageInfo(head.file, { shared: true, format: head.format }))?.virtualSizeBytes;
  if (bytes === undefined) {
    throw new EstratoError("integrity", `${what}: ${head.file} is not there`, { hint: 'Run "estrato doctor".' });
  }
  return { ...head, sizeBytes: Math.max(head.sizeBytes, bytes) };
}

/** The same for who leaves it behind: one that is damaged, or gone, keeps nobody from going back to what is whole. */
export async function asLargeAsSeen(world: World, head: Layer, liveBytes: number | null, what: string): Promise<Layer> {
  try {
    return await asLargeAsItIs(world, head, liveBytes, what);
  } catch (error) {
    if (!(error instanceof EstratoError) || error instanceof NoAnswer || error.code === "interrupted") throw error;
    return head;
  }
}

/** Makes the file of a new head. */
export function createHead(head: HeadChange): Action {
  return {
    do: "create-disk",
    path: head.after.file,
    backing: { path: head.backing.path, format: head.backing.format },
    sizeBytes: head.after.sizeBytes,
    ...secretOf(head.after),
  };
}

/**
 * Throws "conflict" where what a new head is to stand on is not there any more, or lies elsewhere than it was planned
 * on. `what`: "instance web1".
 */
export function requireUnmoved(draft: State, { backing, after, files }: HeadChange, what: string): void {
  const now = draft.layers[backing.id];
  const isSame = now?.frozen === true && now.file === backing.path && now.sizeBytes <= after.sizeBytes;
  if (isSame && isDeepStrictEqual(diskFileOf(draft, after), files.after)) return;
  throw new EstratoError(
    "conflict",
    `${what}: the layer ${backing.id} it was to stand on has gone or moved meanwhile`,
    {
      hint: "Try again; where its image has been deleted, choose another.",
    },
  );
}

/** Nobody writes any more what the new heads stand on, down to the files that were there before us. */
export function freezeBelow(state: State, heads: readonly HeadChange[]): Action[] {
  const templates = heads.flatMap(({ before }) => freezeTemplates(state, before.id));
  return [...heads.map(({ before }) => freezeFile(before)), ...templates];
}

/** The volumes of `heads` go on in their new heads; the layers they wrote until now are frozen. Idempotent. */
export function adoptHeads(draft: State, heads: readonly HeadChange[]): void {
  for (const head of heads) {
    const volume = draft.volumes[head.volume];
    if (volume === undefined || volume.head === head.after.id) continue;
    draft.layers[head.after.id] = head.after;
    const before = draft.layers[head.before.id];
    if (before !== undefined) {
      before.frozen = true;
      // Others may have grown the device since we last looked, and whatever goes back to it must be as large.
      before.sizeBytes = Math.max(before.sizeBytes, head.before.sizeBytes);
    }
    volume.head = head.after.id;
  }
}

/** The definition's disks, as `redefine` wants them. */
export function definedDisks(heads: readonly HeadChange[], which: "before" | "after") {
  return heads.map((head) => ({ device: head.device, ...head.files[which] }));
}

/** The same, as an edit of a definition wants them. */
export function editedDisks(heads: readonly HeadChange[], which: "before" | "after"): Record<string, DiskFile> {
  return Object.fromEntries(heads.map((head) => [head.device, head.files[which]]));
}

/** The definition with each disk's file replaced by its volume's id: paths change, volumes don't. */
export function definitionByVolume(world: World, xml: string, heads: readonly HeadChange[]): string {
  const disks = Object.fromEntries(
    heads.map((head) => [head.device, { path: `/${head.volume}`, format: head.after.format }]),
  );
  return world.host.editDefinition(xml, { disks, dropBackingStore: true });
}
