/** `instance start`, and what must be true of a definition before QEMU may open its disks for writing. */
import { EstratoError } from "../../errors.ts";
import { borrowedBelow, isBorrowedBackup } from "../graph/borrowed.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { requireAgreement } from "../truth.ts";
import { coveredDisks, volumesOf } from "./adopt.ts";
import { type FoundInstance, isLive } from "./find.ts";
import { ALREADY, type Switching, switchInstance, wrongState } from "./power.ts";

/**
 * Starts an instance; one that runs already is left alone. Afterwards it runs.
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
    return { title: `Start ${status.name}`, actions: [{ do: "start", domain: status.uuid, paused: false }] };
  };
  return switchInstance(world, target, decide, { takesIn: true });
}

/** Throws "integrity" unless each disk that it would write is its own head, or no layer at all. */
export async function requireStartable(world: World, { status, record, state }: FoundInstance): Promise<void> {
  if (record !== null) await requireAgreement(world, state, status);
  requireNoLayerWritten(state, status);
  await requireBorrowedSound(world, state, status);
}

/** What it reads of somebody else's, or of a backup, is still what was borrowed. */
async function requireBorrowedSound(world: World, state: State, status: DomainStatus): Promise<void> {
  for (const { head } of volumesOf(state, status.uuid).values()) {
    const bottom = borrowedBelow(state, head);
    if (isBorrowedBackup(bottom)) await (await import("../backups/borrow.ts")).recheckBorrowedBackup(world, bottom);
    else if (bottom !== null) await (await import("../sharing/borrow.ts")).recheckBorrowedImage(world, bottom);
  }
}

/**
 * Also for guests that were never adopted: their definition may name a file that somebody else's snapshots stand on.
 */
function requireNoLayerWritten(state: State, status: DomainStatus): void {
  const own = new Set(Object.values(state.volumes).flatMap((one) => (one.instance === status.uuid ? [one.head] : [])));
  for (const disk of coveredDisks(status)) {
    const layer = Object.values(state.layers).find((one) => one.file === disk.source);
    if (layer === undefined || own.has(layer.id)) continue;
    throw new EstratoError(
      "integrity",
      `instance ${status.name}: ${disk.device} would write to layer ${layer.id} (${layer.file})`,
      {
        hint: 'Run "estrato doctor" to see what it should write to.',
      },
    );
  }
}
