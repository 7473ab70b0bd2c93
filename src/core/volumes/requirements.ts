/** What volumes must be before something is done to them; each throws before anything is touched. */
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import type { Layer, State, Volume } from "../model/state.ts";
import type { World } from "../ports.ts";
import { snapshotsOf } from "../snapshots/names.ts";
import { volumeLabel } from "./find.ts";

const SECTOR_BYTES = 512;
/** What a qcow2 file with clusters of 64 KiB can hold: its first table is 32 MiB at most. */
const LARGEST_BYTES = 2 ** 51;

/** Returns `bytes`. Throws "usage" for a size that no disk has. */
export function requireDiskSize(what: string, bytes: number): number {
  if (bytes % SECTOR_BYTES !== 0) {
    throw new EstratoError("usage", `${what}: ${bytes} bytes are no whole number of sectors`, {
      hint: "Give a multiple of 512 bytes: 10G.",
    });
  }
  if (bytes > LARGEST_BYTES) {
    throw new EstratoError("usage", `${what}: ${humanSize(bytes)} is more than a volume can have`, {
      hint: "Give 2048T at most.",
    });
  }
  return bytes;
}

/** The layer that the volume writes. Throws "integrity" where it is not recorded. */
export function headOf(state: State, volume: Volume): Layer {
  const head = state.layers[volume.head];
  if (head !== undefined) return head;
  throw new EstratoError("integrity", `volume ${volumeLabel(state, volume)}: its head ${volume.head} is not recorded`, {
    hint: 'Run "estrato doctor".',
  });
}

/**
 * Nobody stands on what the volume writes. Throws "conflict": a disk that was there before us may be what others stand
 * on, and is nobody's to write before it has a head of its own. `would`: "be written".
 */
export function requireUnfrozen(state: State, volume: Volume, would: string): void {
  const head = headOf(state, volume);
  if (!head.frozen) return;
  const label = volumeLabel(state, volume);
  throw new EstratoError("conflict", `volume ${label}: others stand on ${head.file}, which would ${would}`, {
    hint: `Take a snapshot first, and it goes on in a file of its own: estrato snapshot create --volume ${label}.`,
  });
}

/** Nobody has the head open, asked twice. Throws "conflict" where somebody has, "integrity" where it is not there. */
export async function requireIdle(world: World, state: State, volume: Volume): Promise<void> {
  const head = headOf(state, volume);
  for (let look = 0; look < 2; look += 1) {
    const info = await world.host.imageInfo(head.file, { shared: false, format: head.format });
    if (info !== null) continue;
    throw new EstratoError("integrity", `volume ${volumeLabel(state, volume)}: ${head.file} is not there`, {
      hint: 'Run "estrato doctor".',
    });
  }
}

/**
 * An instance's snapshots name its volumes: with others, a revert could not bring it back whole. Throws "conflict",
 * naming them.
 */
export function requireNoSnapshots(state: State, uuid: string, instance: string, verb: "attached" | "detached"): void {
  const snapshots = snapshotsOf(state, uuid);
  if (snapshots.length === 0) return;
  const names = snapshots.map((one) => one.name).join(", ");
  throw new EstratoError(
    "conflict",
    `instance ${instance}: a volume cannot be ${verb} while it has snapshots (${names})`,
    {
      hint: "Delete them first, or make images of those that you need.",
    },
  );
}
