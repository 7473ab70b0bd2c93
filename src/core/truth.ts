/**
 * Who is right about a guest's disks (DESIGN.md, section 3): QEMU, then libvirt's live and persistent
 * definitions, then our state.
 * Everything that touches layers asks here first, and again afterwards.
 */
import { EstratoError } from "../errors.ts";
import { borrowedBelow } from "./graph/borrowed.ts";
import { volumesOf } from "./instances/volumes-of.ts";
import type { DomainStatus, QemuDisk } from "./model/host.ts";
import type { State, Volume } from "./model/state.ts";
import type { World } from "./ports.ts";
import { isSameFile } from "./same-file.ts";

/**
 * A volume of an instance and the files that each witness names as its head. What is the recorded file under another
 * name stands here under the recorded one.
 */
export interface HeadFacts {
  readonly volume: Volume;
  readonly device: string;
  readonly recorded: string; // our state
  readonly persistent: string | null; // libvirt's persistent definition
  readonly live: string | null; // libvirt's live definition; null when off
  readonly qemu: string | null; // QEMU itself; null when off
  readonly qemuChain: readonly string[]; // the same with all that it stands on, top first; [] when off
  /** The secret that opens it, by our state and by each definition that names the disk. */
  readonly secret: { readonly recorded: string | null; readonly defined: readonly (string | null)[] };
  /** Of the device as the guest sees it now; null when off. */
  readonly liveSizeBytes: number | null;
  /** A definition lets others write it at the same time (<shareable/>). */
  readonly isShared: boolean;
}

/** What QEMU has open of a guest that runs: as it was asked with the rest, or asked now. */
export async function qemuDisksOf(world: World, { qemu, uuid }: DomainStatus): Promise<readonly QemuDisk[]> {
  return qemu ?? (await world.host.qemuDisks(uuid));
}

/** Asks all witnesses. */
export async function headFacts(world: World, state: State, status: DomainStatus): Promise<HeadFacts[]> {
  const qemu = status.live === null ? [] : await qemuDisksOf(world, status);
  const facts: HeadFacts[] = [];
  for (const [device, volume] of volumesOf(state, status.uuid)) {
    const ofQemu = qemu.find((disk) => disk.device === device);
    const recorded = state.layers[volume.head]?.file ?? "";
    const known = async (path: string | null | undefined) =>
      path != null && (await isSameFile(world, path, recorded)) ? recorded : (path ?? null);
    const qemuChain: string[] = [];
    for (const path of ofQemu?.chain ?? []) qemuChain.push((await known(path)) ?? path);
    const named = [status.inactive, status.live].flatMap(
      (one) => one?.disks.find((disk) => disk.device === device) ?? [],
    );
    facts.push({
      volume,
      device,
      recorded,
      persistent: await known(status.inactive.disks.find((disk) => disk.device === device)?.source),
      live: await known(status.live?.disks.find((disk) => disk.device === device)?.source),
      qemu: qemuChain[0] ?? null,
      qemuChain,
      secret: { recorded: state.layers[volume.head]?.secret ?? null, defined: named.map(({ secret }) => secret) },
      liveSizeBytes: ofQemu?.sizeBytes ?? null,
      isShared: named.some(({ shareable }) => shareable),
    });
  }
  return facts;
}

/** The first disagreement, in words; null where all agree. */
export function disagreement(status: DomainStatus, facts: readonly HeadFacts[]): string | null {
  for (const one of facts) {
    const witnesses: [string, string | null][] = [["libvirt's persistent definition", one.persistent]];
    if (status.live !== null) witnesses.push(["libvirt's live definition", one.live], ["QEMU", one.qemu]);
    for (const [witness, file] of witnesses) {
      if (file !== one.recorded)
        return `${one.device}: ${witness} uses ${file ?? "no such disk"}, recorded is ${one.recorded}`;
    }
    const other = one.secret.defined.find((secret) => secret !== one.secret.recorded);
    if (other !== undefined) {
      const words = (secret: string | null) => (secret === null ? "no secret" : `the secret ${secret}`);
      return `${one.device}: a definition of libvirt's names ${words(other)}, recorded is ${words(one.secret.recorded)}`;
    }
  }
  return null;
}

/**
 * Throws "integrity" unless QEMU, libvirt and the state name the same heads; what they stand on that is somebody else's
 * must still be what was borrowed ("conflict", "host"). Returns what they say.
 */
export async function requireAgreement(world: World, state: State, status: DomainStatus): Promise<HeadFacts[]> {
  const facts = await headFacts(world, state, status);
  const difference = disagreement(status, facts);
  if (difference !== null) {
    throw new EstratoError("integrity", `instance ${status.name}: ${difference}`, {
      hint: 'Run "estrato doctor --repair".',
    });
  }
  const heads = facts.map(({ volume }) => volume.head);
  if (heads.some((head) => borrowedBelow(state, head) !== null))
    await (await import("./sharing/lent-files.ts")).recheckBorrowed(world, state, heads);
  return facts;
}

/**
 * Refuses what libvirt would break or be broken by (LIBVIRT.md, traps 1 and 8): a managed save, a block job,
 * snapshots or checkpoints of libvirt's own. `savedGoes`: the saved memory is to go with all else. Throws "conflict".
 */
export function refuseUnsafe(status: DomainStatus, savedGoes = false): void {
  const what = `instance ${status.name}`;
  if (!status.persistent) {
    throw new EstratoError("conflict", `${what}: it is transient, libvirt forgets it when it stops`, {
      hint: 'Define it first: "estrato doctor --repair" does, where estrato knows it; else virsh define.',
    });
  }
  if (status.managedSave && !savedGoes) {
    throw new EstratoError(
      "conflict",
      `${what}: libvirt holds a saved memory state that belongs to the disks as they are now`,
      {
        hint: `Resume it ("estrato instance start ${status.name}") or drop it ("virsh managedsave-remove ${status.name}") first.`,
      },
    );
  }
  const job = status.jobs[0];
  if (job?.ended) {
    throw new EstratoError(
      "conflict",
      `${what}: libvirt takes a block job on ${job.device} that has ended for one under way`,
      {
        hint: "Stop the instance and start it again, once.",
      },
    );
  }
  if (job !== undefined) {
    throw new EstratoError("conflict", `${what}: a block job (${job.type}) is under way on ${job.device}`, {
      hint: `Wait for its end, or see "virsh blockjob ${status.name} ${job.device}".`,
    });
  }
  if (status.snapshots.length > 0) {
    throw new EstratoError("conflict", `${what}: libvirt holds snapshots of its own (${status.snapshots.join(", ")})`, {
      hint: `Delete them first: virsh snapshot-delete ${status.name} NAME.`,
    });
  }
  if (status.checkpoints.length > 0) {
    throw new EstratoError(
      "conflict",
      `${what}: libvirt holds checkpoints (${status.checkpoints.join(", ")}), another backup tool's`,
      {
        hint: `Delete them first: virsh checkpoint-delete ${status.name} NAME.`,
      },
    );
  }
}
