/** What an instance is rebuilt on, and whether it can be: what `instance create` asks, of a guest that is there. */
import { isDeepStrictEqual } from "node:util";
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import type { DomainDefinition, DomainStatus } from "../model/host.ts";
import type { Base, Instance, Layer, State, Volume } from "../model/state.ts";
import type { World } from "../ports.ts";
import { type BorrowedImage, borrowedChoice, borrowImage, withBorrowed } from "../sharing/borrow.ts";
import type { Goal, GoalSeed } from "../snapshots/goal.ts";
import { isAttachedByUs } from "../volumes/attachment.ts";
import { baseOf, sourceOfBase } from "./base.ts";
import { laterSeed } from "./seed.ts";
import { findSource, type InstanceSource } from "./source.ts";
import { volumesOf } from "./volumes-of.ts";

/** An image, its layers as they are or a lender's, and what is remembered of it. */
export interface Foundation {
  readonly source: InstanceSource;
  readonly loan: BorrowedImage | null;
  readonly base: Base;
}

const NAME_ONE = "Name one: --image IMAGE.";

/**
 * What `wanted` names; null: what the instance was made from, whether or not that is an image still. Throws
 * "not_found"; "conflict" where it was made from no image, or what that kept is gone.
 */
export async function foundationOf(
  world: World,
  state: State,
  record: Pick<Instance, "name" | "base">,
  wanted: string | null,
): Promise<Foundation> {
  const { name, base } = record;
  if (wanted === null && base === undefined) {
    throw new EstratoError("conflict", `instance ${name}: it was made from no image`, { hint: NAME_ONE });
  }
  if (wanted === null && base !== undefined && isGone(state, base)) {
    const source = sourceOfBase(base);
    if (!base.tpm) return { source, loan: null, base };
    throw new EstratoError("conflict", `${source.label}: what its TPM held went with it`, { hint: NAME_ONE });
  }
  const choice = { kind: "image", target: wanted ?? base?.image ?? "" } as const;
  const loan = await borrowImage(world, state, choice);
  const known = withBorrowed(state, loan);
  const source = findSource(known, borrowedChoice(choice, loan));
  const image = known.images[source.id];
  if (image === undefined) throw new EstratoError("integrity", `${source.label}: it is not recorded`);
  return { source, loan, base: baseOf(image, { isLent: loan !== null }) };
}

/** Is it an image no more, of which the layers were kept? */
export function isGone(state: State, { image, disks }: Base): boolean {
  return state.images[image] === undefined && disks.length > 0;
}

/**
 * The disks that the image's take the place of, in the order of their devices: those that the instance's creation made,
 * of a guest that was there before those that it had. Throws "conflict" where they are not as many.
 */
function ownDisks(
  state: State,
  record: Instance,
  { inactive }: DomainStatus,
  { label, disks }: InstanceSource,
): Volume[] {
  const { name } = record;
  const all = [...volumesOf(state, record.id).values()];
  const own = all.filter((one) => isOwn(record, inactive, one));
  if (own.length === disks.length) return own;
  const hint = `Make a new instance of it: estrato instance create NAME --image ${label.replace(/^image /, "")}.`;
  if (own.length === 0)
    throw new EstratoError("conflict", `instance ${name}: it boots from a volume, and has no disk of its own`, {
      hint,
    });
  throw new EstratoError(
    "conflict",
    `${label}: it has ${disks.length} disk${disks.length === 1 ? "" : "s"}, and ${name} ${own.length} of its own`,
    { hint },
  );
}

/**
 * Of a guest that was there before no record says which disks it had. It is none that was made under a name or of
 * something, unless a rebuild has made the guest of that; and none that has the serial by which we attach volumes,
 * which may be disks that another such guest had.
 */
function isOwn({ origin, image }: Instance, definition: DomainDefinition, volume: Volume): boolean {
  if (origin === "created") return volume.deleteWithInstance;
  const madeOf = volume.sourceImage ?? volume.sourceSnapshot;
  return volume.name === null && (madeOf === null || madeOf === image) && !isAttachedByUs(definition, volume);
}

/** A definition boots only what was installed for its firmware; a TPM's state needs a TPM. */
export function requireBootable(
  { name, inactive }: DomainStatus,
  { label, uefi, nvram, tpm }: Pick<InstanceSource, "label" | "uefi" | "nvram" | "tpm">,
): void {
  const hint = `Make a new instance of it: estrato instance create NAME --image ${label.replace(/^image /, "")}.`;
  const words = (isUefi: boolean) => (isUefi ? "UEFI" : "BIOS");
  const isUefi = uefi || nvram !== null;
  if (isUefi !== inactive.firmware) {
    const why = `it is of a guest with ${words(isUefi)}, and ${name} boots with ${words(inactive.firmware)}`;
    throw new EstratoError("conflict", `${label}: ${why}`, { hint });
  }
  if (tpm !== null && inactive.tpm === null)
    throw new EstratoError("conflict", `${label}: it needs what its TPM held, and ${name} has no TPM`, { hint });
}

/** Throws "conflict" where the image needs more than its size gives; a disk that no flavor measures may grow. */
function requireEnough(state: State, record: Instance, status: DomainStatus, source: InstanceSource): void {
  const { name, flavor } = record;
  const hint = `Resize it first: estrato instance resize ${name} --flavor FLAVOR.`;
  const { ramBytes } = status.inactive;
  if (source.minRamBytes > ramBytes) {
    const why = `it needs ${humanSize(source.minRamBytes)} of memory, and ${name} has ${humanSize(ramBytes)}`;
    throw new EstratoError("conflict", `${source.label}: ${why}`, { hint });
  }
  const given = flavor === null ? 0 : (state.flavors[flavor]?.diskBytes ?? 0);
  const needed = firstDiskBytes(source);
  if (given > 0 && needed > given) {
    const why = `it needs a disk of ${humanSize(needed)}, and the flavor ${flavor} of ${name} gives ${humanSize(given)}`;
    throw new EstratoError("conflict", `${source.label}: ${why}`, { hint });
  }
}

function firstDiskBytes({ minDiskBytes, disks }: InstanceSource): number {
  return Math.max(minDiskBytes, disks[0]?.sizeBytes ?? 0);
}

/** Throws "conflict", "host" or "integrity" where the instance cannot go on from it. Reads only. */
export async function imageGoal(
  world: World,
  state: State,
  status: DomainStatus,
  { source, loan, base }: Foundation,
): Promise<Goal> {
  const record = state.instances[status.uuid];
  if (record === undefined) throw new EstratoError("integrity", `instance ${status.name}: it is not recorded`);
  const own = ownDisks(state, record, status, source);
  requireBootable(status, source);
  requireEnough(state, record, status, source);
  const { maxChain } = await world.host.capabilities();
  const disks = source.disks.map((disk, index) => {
    const volume = own[index] as Volume;
    const what = `instance ${status.name}: disk ${volume.device}`;
    const layer: Layer | undefined = state.layers[disk.layer];
    if (layer === undefined)
      throw new EstratoError("integrity", `${what}: its layer ${disk.layer} is not recorded`, {
        hint: 'Run "estrato doctor".',
      });
    const note = requireRoomInChain(state, disk.layer, maxChain, what);
    if (note !== null) world.report.note(note);
    return { volume, layer, sizeBytes: index === 0 ? firstDiskBytes(source) : 0 };
  });
  const was = { image: record.image, base: record.base };
  const madeOf = { image: base.image, base };
  return {
    id: source.id,
    label: source.label,
    deed: "rebuild",
    disks,
    firmware: source,
    freshNvram: true,
    memory: null,
    readMemory: (path) => world.host.memoryDefinition(path),
    current: null,
    usedUp: null,
    seed: newSeed(world, record),
    madeOf: isDeepStrictEqual(was, madeOf) ? null : madeOf,
    loans: loan?.layers ?? [],
  };
}

/** With another instance-id cloud-init takes it for a machine that boots for the first time. */
function newSeed(world: World, { id, seed }: Instance): GoalSeed | null {
  if (seed === null) return null;
  const instanceId = world.ids.uuid();
  return { path: laterSeed(world, id, instanceId), renewed: { from: seed, instanceId } };
}
