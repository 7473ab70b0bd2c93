/** `instance start`, and what must be true of a definition before QEMU may open its disks for writing. */
import { EstratoError } from "../../errors.ts";
import { requireFree } from "../forwards/free-ports.ts";
import { borrowedBelow, isBorrowedBackup } from "../graph/borrowed.ts";
import { layersByFile } from "../layers/foreign-chain.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { requireAgreement } from "../truth.ts";
import { awaitsSnapshot, coveredDisks } from "./adopt.ts";
import { type FoundInstance, isLive } from "./find.ts";
import { ALREADY, type Switching, switchInstance, wrongState } from "./power.ts";
import { volumesOf } from "./volumes-of.ts";

/**
 * Starts an instance, or resumes the memory that libvirt saved of it; one that runs already is left alone.
 * Afterwards it runs.
 * Throws "conflict" for a paused one, "integrity" where its definition names other files than its heads: a guest that
 * writes into a layer destroys what stands on it.
 */
export function startInstance(world: World, target: string): Promise<PlanView | null> {
  const decide = async ({ status, record, state }: FoundInstance): Promise<Switching> => {
    if (status.state === "paused" || status.state === "pmsuspended") {
      throw wrongState(status.name, `it is ${status.state}`, `Resume it: estrato instance resume ${status.name}.`);
    }
    if (isLive(status)) return ALREADY;
    await requireStartable(world, { status, record, state });
    // libvirt does the same for it, and goes on from there.
    const title = status.managedSave
      ? `Resume ${status.name} from the memory that libvirt saved`
      : `Start ${status.name}`;
    return { title, actions: [{ do: "start", domain: status.uuid, paused: false }] };
  };
  return switchInstance(world, target, decide, { takesIn: true });
}

/**
 * Throws "integrity" unless each disk that it would write is its own head, or no layer at all; "conflict" where
 * others stand on what it wrote to until now, and where somebody else has a port of this host that is to lead to it.
 */
export async function requireStartable(world: World, { status, record, state }: FoundInstance): Promise<void> {
  if (record !== null) await requireAgreement(world, state, status);
  await requireNoLayerWritten(world, state, status);
  await requireBackupSound(world, state, status);
  // One that runs has them itself.
  if (status.live === null) await requireFree(world, state, status.uuid, record?.userNetwork?.forwards ?? []);
}

/** What it reads of a backup is still what was borrowed. */
async function requireBackupSound(world: World, state: State, status: DomainStatus): Promise<void> {
  for (const { head } of volumesOf(state, status.uuid).values()) {
    const bottom = borrowedBelow(state, head);
    if (isBorrowedBackup(bottom)) await (await import("../backups/borrow.ts")).recheckBorrowedBackup(world, bottom);
  }
}

/**
 * Also for guests that were never adopted: their definition may name a file that somebody else's snapshots stand on.
 */
async function requireNoLayerWritten(world: World, state: State, status: DomainStatus): Promise<void> {
  const own = new Set(Object.values(state.volumes).flatMap((one) => (one.instance === status.uuid ? [one.head] : [])));
  for (const disk of coveredDisks(status)) {
    const layer = await layerOf(world, state, disk.source);
    if (layer === undefined || (own.has(layer.id) && !layer.frozen)) continue;
    if (own.has(layer.id) || awaitsSnapshot(state, layer)) {
      throw new EstratoError(
        "conflict",
        `instance ${status.name}: others stand on ${layer.file}, its disk ${disk.device}`,
        {
          hint: `Take a snapshot first, and it writes into a file of its own: estrato snapshot create ${status.name}.`,
        },
      );
    }
    throw new EstratoError(
      "integrity",
      `instance ${status.name}: ${disk.device} would write to layer ${layer.id} (${layer.file})`,
      {
        hint: 'Run "estrato doctor" to see what it should write to.',
      },
    );
  }
}

/** By any name of its file. */
async function layerOf(world: World, state: State, path: string | null): Promise<Layer | undefined> {
  const named = Object.values(state.layers).find(({ file }) => file === path);
  if (named !== undefined || path === null) return named;
  const identity = (await world.host.fileInfo(path))?.identity;
  return state.layers[(await layersByFile(world, state)).get(identity ?? "") ?? ""];
}
