/** What the verbs of volumes have in common. */
import type { Volume } from "../../core/model/state.ts";
import type { PlanView } from "../../core/operations/steps.ts";
import type { World } from "../../core/ports.ts";
import { type VolumeView, viewVolume } from "../../core/volumes/view.ts";
import { one } from "../framework/arguments.ts";

export const oneVolume = one("VOLUME", "a volume, by id, name, or INSTANCE/DEVICE", {
  complete: "volume",
  ask: "Which volume?",
});

/** The volume as it is afterwards, or the plan. */
export async function shown(world: World, done: Volume | PlanView): Promise<VolumeView | PlanView> {
  if ("steps" in done) return done;
  const state = await world.store.read();
  return viewVolume(world, state, state.volumes[done.id] ?? done);
}
