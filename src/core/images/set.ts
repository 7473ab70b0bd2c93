/** `image set`: what an image is called and demands; its content never changes. */
import { EstratoError } from "../../errors.ts";
import { withChange } from "../model/drafts.ts";
import type { Image, State } from "../model/state.ts";
import { requireName } from "../names.ts";
import { type PlanView, perform, planView } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { World } from "../ports.ts";
import { findOwnImage } from "../sharing/find.ts";
import { publish, SHARES_LOCK } from "../sharing/publish.ts";
import { findImageAgain } from "./find.ts";
import { imageNameLock, requireFreeImageName } from "./names.ts";
import { type ImageView, viewImage } from "./view.ts";

/** Null, or nothing in a list: it stays as it is. */
export interface SetImageOptions {
  readonly name: string | null;
  readonly properties: Readonly<Record<string, string>>;
  readonly withoutProperties: readonly string[]; // keys
  readonly minDiskBytes: number | null;
  readonly minRamBytes: number | null;
  readonly protect: boolean | null;
}

/**
 * Changes the record in one transaction, and returns it. Throws "not_found", "usage", "conflict" where the new name is
 * taken. A dry run returns the plan.
 */
export async function setImage(world: World, target: string, options: SetImageOptions): Promise<Image | PlanView> {
  const found = await findOwnImage(world, await world.store.read(), target, "change");
  if (options.name !== null) requireName("image", options.name);
  const shares = found.visibility === "private" ? [] : [SHARES_LOCK];
  const names = [found.id, ...shares, ...(options.name === null ? [] : [imageNameLock(options.name)])];
  return withLocks(world, names, async (locks) => {
    const change = (draft: State) => apply(draft, found.id, target, options);
    if (world.dryRun) {
      withChange(await world.store.read(), change); // refuses what the real run would refuse
      return planView(world, [{ id: "record", title: `Change the record of the image ${found.name}` }]);
    }
    const changed = await world.store.update(change);
    // A kill before this leaves others with the old words, which doctor finds.
    if (locks.names.includes(SHARES_LOCK)) {
      await perform(world, locks, publish(world.store.paths, await world.store.read(), found.id));
    }
    return changed;
  });
}

function apply(draft: State, id: string, target: string, options: SetImageOptions): Image {
  const image = findImageAgain(draft, id, target);
  if (options.name !== null) {
    requireFreeImageName(draft, options.name, id);
    image.name = options.name;
  }
  for (const key of options.withoutProperties) {
    if (!Object.hasOwn(image.properties, key)) {
      throw new EstratoError("not_found", `image ${image.name}: it has no property ${key}`, {
        hint: `Its properties: ${Object.keys(image.properties).join(", ") || "none"}.`,
      });
    }
    delete image.properties[key];
  }
  Object.assign(image.properties, options.properties);
  image.minDiskBytes = options.minDiskBytes ?? image.minDiskBytes;
  image.minRamBytes = options.minRamBytes ?? image.minRamBytes;
  image.protected = options.protect ?? image.protected;
  return image;
}

/** The same, and returns the image as it is shown. */
export async function changeImage(
  world: World,
  target: string,
  options: SetImageOptions,
): Promise<ImageView | PlanView> {
  const changed = await setImage(world, target, options);
  return "steps" in changed ? changed : viewImage(await world.store.read(), changed);
}
