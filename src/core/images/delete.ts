/** `image delete`: the pointer goes; what stands on its layers keeps them, and the data goes with the last of it. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { unlinkCopies } from "../firmware.ts";
import { standingOn } from "../graph/references.ts";
import { freedByDropping } from "../layers/freed.ts";
import { withChange } from "../model/drafts.ts";
import type { Image, State } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { isPlan, type PlanView, perform, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { findOwnImage } from "../sharing/find.ts";
import { SHARES_LOCK } from "../sharing/publish.ts";
import { findImageAgain } from "./find.ts";

interface DeleteImageData {
  readonly image: Image;
}

export const deleteImageKind: Kind<DeleteImageData> = {
  name: "image.delete",
  version: 1,
  data: v.object({ image: recordSchemas.image }),
  recover: recoverDeleteImage,
};

/**
 * Deletes an image. No instance, snapshot or other image changes its content; a note says who still stands on it.
 * Throws "not_found", "conflict" for a protected or shelved one. A dry run returns the plan and the bytes it would
 * free.
 */
export async function deleteImage(world: World, target: string): Promise<PlanView | null> {
  const { id, visibility } = await findOwnImage(world, await world.store.read(), target, "delete");
  return withLocks(world, visibility === "private" ? [id] : [id, SHARES_LOCK], async (locks) => {
    const early = await world.store.read();
    const shared = findImageAgain(early, id, target);
    requireDeletable(shared);
    const taken = shared.visibility === "private" ? null : await takeBack(world, locks, early, shared);
    const state = await world.store.read();
    const image = findImageAgain(state, id, target);
    const note = stillNeeded(state, image);
    const steps = deleteImageSteps(world, image);
    return run<DeleteImageData, null>(world, locks, {
      kind: deleteImageKind,
      target: image.name,
      data: { image },
      // A plan shows first how it is taken back; in a real run that is done.
      steps: taken === null ? steps : [{ id: "take-back", title: "Take it back", child: async () => taken }, ...steps],
      notes: note === null ? [] : [note],
      follows: () => freedByDropping(world, state, (draft) => dropImage(draft, id)),
      result: async () => {
        if (note !== null) world.report.note(note);
        return null;
      },
    });
  });
}

/** Nobody may use what is to go: "conflict" where somebody does. Returns the plan of a dry run. */
async function takeBack(world: World, locks: HeldLocks, state: State, image: Image): Promise<PlanView | null> {
  if (!locks.names.includes(SHARES_LOCK)) {
    throw new EstratoError("conflict", `image ${image.name}: it has just been shared`, { hint: "Try again." });
  }
  const { unshareLocked } = await import("../sharing/share.ts");
  const taken = await unshareLocked(world, locks, state, image);
  return isPlan(taken) ? taken : null;
}

function requireDeletable(image: Image): void {
  if (image.protected) {
    throw new EstratoError("conflict", `image ${image.name}: it is protected`, {
      hint: `Lift that first: estrato image set ${image.name} --unprotect.`,
    });
  }
  if (image.type === "shelved") {
    const instance = image.source.name;
    throw new EstratoError("conflict", `image ${image.name}: the shelved instance ${instance} is in it`, {
      hint: `Unshelve it ("estrato unshelve ${instance}") or delete it ("estrato instance delete ${instance}") first.`,
    });
  }
}

/** Who stands on its layers without being it, in a sentence; null where nobody does. */
function stillNeeded(state: State, image: Image): string | null {
  const then = withChange(state, (draft) => dropImage(draft, image.id));
  const users = [...new Set(image.disks.flatMap(({ layer }) => standingOn(then, layer)))];
  if (users.length === 0) return null;
  return `image ${image.name}: ${users.join(", ")} still ${users.length === 1 ? "stands" : "stand"} on it; its data goes with the last of them`;
}

function deleteImageSteps(world: World, image: Image): Step[] {
  const { definition } = image;
  const copies = unlinkCopies(world, image);
  const steps: Step[] = [
    {
      id: "forget-image",
      title: "Forget the image",
      run: () => world.store.update((draft) => dropImage(draft, image.id)),
    },
  ];
  if (definition !== null) {
    steps.push({
      id: "remove-definition",
      title: "Remove its definition",
      run: () => world.store.removeRecord(definition),
    });
  }
  if (copies.length > 0) steps.push({ id: "remove-firmware", title: "Remove what its firmware kept", actions: copies });
  return steps;
}

function dropImage(draft: State, id: string): void {
  delete draft.images[id];
}

/** Always forward: an image that was to go, goes. */
async function recoverDeleteImage(world: World, locks: HeldLocks, { image }: DeleteImageData): Promise<Outcome> {
  await world.store.update((draft) => dropImage(draft, image.id));
  if (image.definition !== null) await world.store.removeRecord(image.definition);
  await perform(world, locks, unlinkCopies(world, image));
  return "forward";
}
