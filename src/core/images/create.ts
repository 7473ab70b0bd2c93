/** `image create`, whatever from. */
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import type { Expectation } from "./download-source.ts";
import type { NewImageOptions } from "./record.ts";
import { type ImageView, viewImage } from "./view.ts";

/** Where a new image comes from. `file` is absolute. */
export type ImageSource =
  | {
      readonly kind: "file";
      readonly file: string;
      readonly calledAs?: string;
      readonly diskFormat: "qcow2" | "raw" | null;
    }
  | {
      readonly kind: "url";
      readonly url: string;
      readonly expected: Expectation;
      readonly diskFormat: "qcow2" | "raw" | null;
    }
  | { readonly kind: "snapshot"; readonly snapshot: string; readonly sysprep?: boolean }
  | { readonly kind: "volume"; readonly volume: string }
  | { readonly kind: "instance"; readonly instance: string; readonly excludeDisks: readonly string[] };

/** Makes the image and returns it as it is shown; throws what the way it is made throws. A dry run returns the plan. */
export async function createImage(
  world: World,
  options: NewImageOptions,
  source: ImageSource,
): Promise<ImageView | PlanView> {
  const made = await make(world, options, source);
  return "steps" in made ? made : viewImage(await world.store.read(), made);
}

async function make(world: World, options: NewImageOptions, source: ImageSource) {
  switch (source.kind) {
    case "file":
      return (await import("./create-from-file.ts")).createImageFromFile(world, { ...options, ...source });
    case "url":
      return (await import("./create-from-url.ts")).createImageFromUrl(world, { ...options, ...source });
    case "snapshot":
      return (await import("./create-from-snapshot.ts")).createImageFromSnapshot(world, { ...options, ...source });
    case "volume":
      return (await import("./create-from-volume.ts")).createImageFromVolume(world, { ...options, ...source });
    case "instance":
      return (await import("./create-from-instance.ts")).createImageFromInstance(world, { ...options, ...source });
  }
}
