/**
 * Finds domains that would write to a layer that is not theirs: what stands on it would be destroyed, and nothing in
 * the record says who did it. Where it is a free volume that somebody attached by hand, it can be recorded as attached.
 */
import { EstratoError } from "../../errors.ts";
import { nameOf, pointersAt, standingOn } from "../graph/references.ts";
import { awaitsSnapshot } from "../instances/adopt.ts";
import { findAgain } from "../instances/find.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import { layersByFile } from "../layers/foreign-chain.ts";
import { withChange } from "../model/drafts.ts";
import type { DomainDisk, DomainStatus } from "../model/host.ts";
import type { Layer, State, Volume } from "../model/state.ts";
import { definitionsOf } from "../named-files.ts";
import type { HeldLocks, World } from "../ports.ts";
import { requireAgreement } from "../truth.ts";
import { attachTo } from "../volumes/attachment.ts";
import { volumeLabel } from "../volumes/find.ts";
import { type Finding, unmendable } from "./finding.ts";

/** Every disk of every domain that is the file of a layer, by whatever name, is so because it is its volume. */
export async function examineStrangers(world: World, state: State): Promise<Finding[]> {
  const byFile = await layersByFile(world, state);
  const findings: Finding[] = [];
  for (const status of (await world.host.domainStatuses()).values()) {
    const own = volumesOf(state, status.uuid);
    const written: { readonly disk: DomainDisk; readonly layer: Layer | undefined }[] = [];
    for (const disk of writtenDisks(status)) {
      const identity = (await world.host.fileInfo(disk.source ?? ""))?.identity;
      written.push({ disk, layer: state.layers[byFile.get(identity ?? "") ?? ""] });
    }
    const instead = insteadOf(
      state,
      status,
      written.map(({ layer }) => layer),
    );
    for (const { disk, layer } of written) {
      // A disk of its own that names another file is looked at with the instance.
      if (layer === undefined || own.has(disk.device) || isGivenBack(state, layer)) continue;
      if (isHeld(state, status, layer) || isRenamed(own, status, layer)) continue;
      findings.push(strangerOf(state, status, disk, layer, instead));
    }
  }
  return findings;
}

/**
 * A file that was there before us, and that nothing here needs: it stays recorded only since it stands on a layer of
 * ours. Whoever writes to it, as the guest whose it was before it was released, takes nothing from anybody.
 */
function isGivenBack(state: State, layer: Layer): boolean {
  return layer.foreign !== null && standingOn(state, layer.id).length === 0;
}

/** A template, which its own guest cannot write without its write bits: only `instance start` has to say so. */
function isHeld(state: State, status: DomainStatus, layer: Layer): boolean {
  return status.live === null && layer.foreign?.template === "held" && awaitsSnapshot(state, layer);
}

/** A disk of its own which its definition does not have by its name. */
function isRenamed(own: ReadonlyMap<string, Volume>, { inactive }: DomainStatus, { id }: Layer): boolean {
  const [name] = [...own].find(([, { head }]) => head === id) ?? [];
  return name !== undefined && inactive.disks.every(({ device }) => device !== name);
}

/** Of each definition; a disk of both, once. */
function writtenDisks(status: DomainStatus): DomainDisk[] {
  const all = definitionsOf(status).flatMap(({ disks }) => disks);
  const written = all.filter(({ role, readonly, shareable }) => role === "disk" && !readonly && !shareable);
  return [...new Map(written.map((disk) => [`${disk.device} ${disk.source}`, disk])).values()];
}

/**
 * A guest that is made of nothing but free volumes, as one that was defined again after its deletion, and that is not
 * ours: the line that makes an instance of them. Null for any other, which has something of its own to lose.
 */
function insteadOf(state: State, { uuid }: DomainStatus, disks: readonly (Layer | undefined)[]): string | null {
  const volumes = disks.map((layer) => (layer === undefined ? null : freeVolume(state, layer)));
  if (state.instances[uuid] !== undefined || !volumes.every((one) => one !== null)) return null;
  const words = volumes.map((one, index) => `${index === 0 ? "--boot-volume" : "--volume"} ${volumeLabel(state, one)}`);
  return `estrato instance create NAME ${words.join(" ")}`;
}

function strangerOf(
  state: State,
  status: DomainStatus,
  disk: DomainDisk,
  layer: Layer,
  instead: string | null,
): Finding {
  const { device } = disk;
  const subject = `instance ${status.name}`;
  const problem = `its disk ${device} is ${whose(state, layer)}`;
  const out = `virsh detach-disk ${status.name} ${device} --persistent`;
  if (awaitsSnapshot(state, layer))
    return unmendable(subject, problem, `Stop it, and take a snapshot first: estrato snapshot create ${status.name}.`);
  if (instead !== null)
    return unmendable(subject, problem, `Undefine it, and make an instance of what it has: ${instead}. (Or: ${out}.)`);
  const volume = freeVolume(state, layer);
  if (volume === null || !mayRecord(state, status, disk, layer))
    return unmendable(subject, problem, `Take it out again: ${out}.`);
  return {
    subject,
    problem,
    remedy: `Record it as attached to ${status.name}. (Or take it out again first: ${out}.)`,
    mending: {
      locks: [status.uuid, volume.id],
      loses: [],
      mend: (world, locks) => recordAttached(world, locks, status.uuid, device, volume.id),
    },
  };
}

function freeVolume(state: State, layer: Layer): Volume | null {
  if (layer.frozen) return null;
  return Object.values(state.volumes).find(({ head, instance }) => head === layer.id && instance === null) ?? null;
}

/** As a disk of its: both definitions name it, and read it as what it is. */
function mayRecord(state: State, status: DomainStatus, { device, source }: DomainDisk, layer: Layer): boolean {
  if (state.instances[status.uuid] === undefined || layer.secret !== null) return false;
  return definitionsOf(status).every(({ disks }) =>
    disks.some((disk) => disk.device === device && disk.source === source && disk.format === layer.format),
  );
}

/** Throws "conflict" where it is another's meanwhile, "integrity" where QEMU does not write to it. */
async function recordAttached(world: World, locks: HeldLocks, uuid: string, device: string, id: string): Promise<void> {
  const { state, status } = await findAgain(world, locks, uuid);
  const then = withChange(state, (draft) => attach(draft, uuid, device, id));
  await requireAgreement(world, then, status);
  await world.store.update((now) => attach(now, uuid, device, id));
}

function attach(draft: State, uuid: string, device: string, id: string): void {
  const volume = draft.volumes[id];
  if (volume === undefined || volume.instance !== null || volumesOf(draft, uuid).has(device))
    throw new EstratoError("conflict", `volume ${id}: it has changed meanwhile`, { hint: "Run doctor again." });
  attachTo(volume, uuid, device);
}

function whose(state: State, layer: Layer): string {
  const [volume] = pointersAt(state, layer.id).filter(({ kind }) => kind === "volume");
  const free = freeVolume(state, layer);
  if (free !== null) return `volume ${volumeLabel(state, free)}, which is not attached to it`;
  if (!layer.frozen && volume !== undefined) return `${nameOf(state, volume)}, which is not attached to it`;
  return `a layer that others stand on (${standingOn(state, layer.id).join(", ")})`;
}
