/**
 * The frame of the verbs that switch one instance: find it, lock it, look again, act. libvirt's own action is atomic,
 * so none is journaled, but a start that QEMU must be told ports behind.
 */
import { EstratoError } from "../../errors.ts";
import type { Action } from "../model/action.ts";
import { type PlanView, runUnjournaled } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { findToChange } from "../volumes/take-in.ts";
import { type FoundInstance, findInstance, findKept } from "./find.ts";

/** What is to be done now; none where it is so already. */
export interface Switching {
  readonly title: string;
  readonly actions: readonly Action[];
  /** Instead of performing the actions, where the way depends on how they go. */
  readonly run?: (locks: HeldLocks) => Promise<void>;
}

/** Nothing to do: it is so already. */
export const ALREADY: Switching = { title: "Nothing to do", actions: [] };

/**
 * Runs `decide` under the instance's lock and performs what it says. A dry run returns the plan.
 * `evenIfBroken`: also where an operation on it that died cannot be recovered, since stopping may be the way to recover
 * it. `takesIn`: what another tool has put on its disks is taken in first.
 */
export async function switchInstance(
  world: World,
  target: string,
  decide: (found: FoundInstance) => Switching | Promise<Switching>,
  options: { readonly evenIfBroken?: boolean; readonly takesIn?: boolean } = {},
): Promise<PlanView | null> {
  const { status } = await findInstance(world, target);
  return withLocks(
    world,
    [status.uuid],
    async (locks) => {
      const found = await (options.takesIn ? findToChange(world, locks, status.uuid) : findKept(world, status.uuid));
      const { title, actions, run } = await decide(found);
      const how = run === undefined ? { actions } : { shown: actions, run: () => run(locks) };
      const steps = actions.length === 0 ? [] : [{ id: "switch", title, ...how }];
      const { userNetwork: network } = found.record ?? {};
      if (!actions.some((one) => one.do === "start") || network?.backend !== "qemu")
        return runUnjournaled(world, locks, steps, null);
      const { startToForward } = await import("../forwards/set.ts");
      return startToForward(world, locks, found.status, network, steps);
    },
    options,
  );
}

/** "conflict": the verb does not fit what the instance is doing. */
export function isOff(name: string): EstratoError {
  return wrongState(name, "it is off", `Start it: estrato instance start ${name}.`);
}

export function wrongState(name: string, why: string, hint: string): EstratoError {
  return new EstratoError("conflict", `instance ${name}: ${why}`, { hint });
}
