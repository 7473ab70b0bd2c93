/** Compares the memory that snapshots keep with the files that are there. */
import type { Snapshot, State } from "../model/state.ts";
import { FROZEN } from "../modes.ts";
import { perform } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { snapshotLabel } from "../snapshots/find.ts";
import { type Finding, foundBy, type Look, unmendable } from "./finding.ts";

/** Every snapshot's memory is there, as long as it was written, and frozen. */
export async function examineMemory(world: World, state: State): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { id, memory } of Object.values(state.snapshots)) {
    if (memory === null) continue;
    const look: Look = (w, now) => examineOne(w, now, now.snapshots[id]);
    findings.push(...foundBy(look, await look(world, state)));
  }
  return findings;
}

async function examineOne(world: World, state: State, snapshot: Snapshot | undefined): Promise<Finding[]> {
  const memory = snapshot?.memory ?? null;
  if (snapshot === undefined || memory === null) return [];
  const path = world.store.paths.memory(memory.file);
  const file = await world.host.fileInfo(path);
  const label = snapshotLabel(state, snapshot);
  if (file === null || file.sizeBytes !== memory.sizeBytes) {
    const problem =
      file === null ? "it is missing" : `it has ${file.sizeBytes} bytes, recorded are ${memory.sizeBytes}`;
    return [
      unmendable(
        path,
        `${problem}; the memory of ${label} needs it`,
        `Put the file back from a copy, or delete ${label}: what its disks hold is whole, and can be made an image first.`,
      ),
    ];
  }
  if ((file.mode & 0o777) === FROZEN) return [];
  return [
    {
      subject: path,
      problem: `its mode is 0${(file.mode & 0o777).toString(8)}, and should be 0400: it is frozen`,
      remedy: "Set the mode.",
      mending: {
        locks: [snapshot.instance ?? snapshot.id],
        loses: [],
        mend: (w, locks) => perform(w, locks, [{ do: "set-mode", path, mode: FROZEN }]),
      },
    },
  ];
}
