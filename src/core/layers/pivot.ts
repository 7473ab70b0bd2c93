/**
 * A running guest's head goes down into the layer under it, and the guest goes on in that file: the one merge with a
 * moment of switching. libvirtd and we may die between QEMU's pivot and libvirt's note of it (LIBVIRT.md, trap 12). So
 * that neither the guest's later writes nor its earlier ones are lost then, the guest is suspended around the pivot,
 * and the old head made read-only before it: nobody writes either file in between, no start by the old definition
 * succeeds, and the mode tells recovery that a pivot may have been.
 */
import { EstratoError } from "../../errors.ts";
import type { Free, Merge } from "../graph/decisions.ts";
import { imageOf } from "../graph/files.ts";
import type { Action } from "../model/action.ts";
import type { Layer, State } from "../model/state.ts";
import { FROZEN, thawFile } from "../modes.ts";
import type { World } from "../ports.ts";

/** The guest whose head is to be pivoted; null where the decision is for anything else. */
export function pivoted(decision: Free | Merge): { readonly instance: string; readonly device: string } | null {
  return decision.kind === "merge" && decision.way === "down" && decision.head ? decision.live : null;
}

/**
 * Must the guest be suspended around the pivot? One that is paused writes nothing anyway, and is not ours to resume.
 */
export async function mustPause(world: World, decision: Free | Merge): Promise<boolean> {
  const disk = pivoted(decision);
  if (disk === null) return false;
  return (await world.host.domainStatus(disk.instance))?.state === "running";
}

/** The work of a merge, with its pivot taken apart: copy until ready, suspend, veto the old head, pivot. */
export function takenApart(work: readonly Action[], state: State, decision: Free | Merge, pause: boolean): Action[] {
  return work.flatMap((action): Action[] => {
    if (action.do !== "block-commit-active" || decision.kind !== "merge") return [action];
    const path = state.layers[decision.child]?.file ?? "";
    return [
      { ...action, part: "ready" },
      ...(pause ? [{ do: "suspend", domain: action.domain } as const] : []),
      { do: "set-mode", path, mode: FROZEN },
      { ...action, part: "pivot" },
    ];
  });
}

/**
 * What lets the guest go on afterwards, once its definition names the file that it is in: from then on the definition
 * says where it writes.
 */
export function goingOn(state: State, decision: Free | Merge, pause: boolean): Action[] {
  const disk = pivoted(decision);
  const child = decision.kind === "merge" ? state.layers[decision.child] : undefined;
  if (disk === null || child === undefined) return [];
  return [thawFile(child), ...(pause ? [{ do: "resume", domain: disk.instance } as const] : [])];
}

/** What recovery finds of a pivot: none was begun, it was (or need not be) carried out, or nobody can know. */
export type PivotFound = "not begun" | "done" | "unknown";

/**
 * Looks at a pivot that a kill cut short, where nobody runs on either file. Where both read the same nothing is left to
 * be moved. Where they differ somebody has let the guest go on before us: either file may be the one that he wrote.
 */
export async function findPivot(world: World, layer: Layer, child: Layer): Promise<PivotFound> {
  const file = await world.host.fileInfo(child.file);
  if (file === null || (file.mode & 0o200) !== 0) return "not begun";
  const same = await world.host.sameContent(imageOf(child), imageOf(layer));
  return same ? "done" : "unknown";
}

/** "integrity": only a person may choose. */
export function mustChoose(layer: Layer, child: Layer): EstratoError {
  return new EstratoError(
    "integrity",
    `layer ${layer.id}: a guest was being moved from ${child.file} to ${layer.file}, and was let go on before that was noted`,
    { hint: 'Run "estrato doctor --repair": it asks which of the two it is to go on in.' },
  );
}

/**
 * Takes the veto back, and resumes the guest that we have suspended, where QEMU and the persistent definition agree on
 * its head. `child`: the old head, while it is recorded. Idempotent.
 */
export async function letGoOn(world: World, decision: Free | Merge, child: Layer | undefined, pause: boolean) {
  const disk = pivoted(decision);
  const status = disk === null ? null : await world.host.domainStatus(disk.instance);
  if (disk === null || status?.live == null) return;
  const top = (await world.host.qemuDisks(disk.instance)).find((one) => one.device === disk.device)?.chain[0];
  if (top !== status.inactive.disks.find((one) => one.device === disk.device)?.source) return;
  if (child !== undefined && (await world.host.fileInfo(child.file)) !== null)
    await world.host.perform(thawFile(child));
  if (pause && status.state === "paused") await world.host.perform({ do: "resume", domain: disk.instance });
}
