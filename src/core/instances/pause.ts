/** `instance pause` and `instance resume`: the guest's processors stand still, its memory stays. */
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { type FoundInstance, isLive } from "./find.ts";
import { ALREADY, type Switching, switchInstance, wrongState } from "./power.ts";

/** Pauses a running instance; a paused one is left alone. Throws "conflict" where it is off. */
export function pauseInstance(world: World, target: string): Promise<PlanView | null> {
  return switchInstance(world, target, ({ status }) => {
    if (status.state === "paused") return ALREADY;
    if (!isLive(status)) throw wrongState(status.name, "it is off", "Only a running instance can be paused.");
    return { title: `Pause ${status.name}`, actions: [{ do: "suspend", domain: status.uuid }] };
  });
}

/**
 * Lets a paused instance run on; a running one is left alone. Throws "conflict" where it is off. It also does where an
 * operation on it cannot be recovered: that may wait for the very guest to run.
 */
export function resumeInstance(world: World, target: string): Promise<PlanView | null> {
  const decide = ({ status }: FoundInstance): Switching => {
    if (status.state === "running") return ALREADY;
    if (!isLive(status)) {
      throw wrongState(status.name, "it is off", `Start it: estrato instance start ${status.name}.`);
    }
    return { title: `Resume ${status.name}`, actions: [{ do: "resume", domain: status.uuid }] };
  };
  return switchInstance(world, target, decide, { evenIfBroken: true });
}
