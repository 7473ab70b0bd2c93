/** `volume delete`: dropping the pointer is all that the verb owes; what was only its own is collected after. */
import { EstratoError } from "../../errors.ts";
import { freedByDropping } from "../layers/freed.ts";
import type { JournalEntry } from "../model/journal.ts";
import type { State, Volume } from "../model/state.ts";
import { execute, type PlanView, planView, type Step } from "../operation.ts";
import type { HeldLocks, Outcome, World } from "../ports.ts";
import { findVolume, volumeLabel, withVolume } from "./find.ts";
import { headOf, requireIdle } from "./requirements.ts";

interface DeleteData {
  readonly volume: string;
}

/**
 * Deletes a volume that is attached to nothing. Its snapshots stay, and what was made from them. Asks first; null where the answer was no,
 * or when it is done; a dry run returns the plan and the bytes that it would free. Throws "not_found", "conflict" where it is attached or held.
 */
export async function deleteVolume(world: World, target: string): Promise<PlanView | null> {
  const early = await world.store.read();
  const first = findVolume(early, target);
  requireFreeVolume(early, first);
  const label = volumeLabel(early, first);
  if (!world.dryRun) {
    const mib = Math.ceil((early.layers[first.head]?.sizeBytes ?? 0) / 1024 ** 2);
    const loses = [`volume ${label} (${first.id}, ${mib} MiB)`];
    if (!(await world.report.confirm({ text: `Delete volume ${label}?`, loses }))) return null;
  }
  return withVolume(world, first.id, async (locks, state, volume) => {
    requireFreeVolume(state, volume);
    if (state.layers[volume.head] !== undefined && (await world.host.fileInfo(headOf(state, volume).file)) !== null) {
      await requireIdle(world, state, volume);
    }
    const drop = (draft: State) => void delete draft.volumes[volume.id];
    const steps: Step[] = [{ id: "forget-volume", title: "Forget the volume", run: () => world.store.update(drop) }];
    if (world.dryRun) {
      const freed = await freedByDropping(world, state, drop);
      return { ...planView(world, [...steps, ...freed.steps], freed.notes), freesBytes: freed.bytes };
    }
    await execute<DeleteData>(
      world,
      locks,
      { kind: "volume.delete", target: label, data: { volume: volume.id }, steps },
      recoverVolumeDelete,
    );
    return null;
  });
}

function requireFreeVolume(state: State, volume: Volume): void {
  if (volume.instance === null) return;
  const label = volumeLabel(state, volume);
  const instance = state.instances[volume.instance]?.name ?? volume.instance;
  throw new EstratoError("conflict", `volume ${label}: it is attached to ${instance} as ${volume.device}`, {
    hint: `Detach it first: estrato volume detach ${instance} ${label}.`,
  });
}

/** Always forward: what was to go, goes. */
export async function recoverVolumeDelete(world: World, _locks: HeldLocks, entry: JournalEntry): Promise<Outcome> {
  const { volume } = entry.data as DeleteData;
  await world.store.update((draft) => {
    delete draft.volumes[volume];
  });
  return "forward";
}
