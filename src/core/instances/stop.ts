/** `instance stop` and `instance reboot`. */
import { EstratoError } from "../../errors.ts";
import type { Action } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import { type PlanView, perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { isLive } from "./find.ts";
import { ALREADY, switchInstance, wrongState } from "./power.ts";
import { requireStartable } from "./start.ts";

/** As OpenStack's shutdown_timeout. */
export const DEFAULT_STOP_MS = 60_000;

export interface StopOptions {
  readonly force: boolean;
  readonly timeoutMs: number;
  readonly wait: boolean; // false: return as soon as the guest has been asked
}

/**
 * Stops an instance; one that is off is left alone. Orderly, by the agent or ACPI; as in OpenStack, one that has not
 * gone off in time is powered off, which a note says. Afterwards it is off (with `wait`), and what waited for that is
 * collected. Works also where an operation on it could not be recovered. Throws "conflict" for a paused one without
 * `force`.
 */
export function stopInstance(world: World, target: string, options: StopOptions): Promise<PlanView | null> {
  return switchInstance(
    world,
    target,
    ({ status }) => {
      if (!isLive(status)) return ALREADY;
      const title = `Stop ${status.name}`;
      if (options.force) return { title, actions: [{ do: "destroy", domain: status.uuid }] };
      if (status.state === "paused") {
        throw wrongState(
          status.name,
          "it is paused and cannot shut itself down",
          `Resume it first, or stop it with --force.`,
        );
      }
      const shutdown: Action = {
        do: "shutdown",
        domain: status.uuid,
        timeoutMs: options.wait ? options.timeoutMs : 0,
        thenDestroy: options.wait,
      };
      return { title, actions: [shutdown], run: (locks) => shutDown(world, locks, status, options) };
    },
    { evenIfBroken: true },
  );
}

/** Asks it to shut down; with `wait`, one that has not gone off in time is powered off, and a note says so. */
export async function shutDown(
  world: World,
  locks: HeldLocks,
  status: DomainStatus,
  options: StopOptions,
): Promise<void> {
  const domain = status.uuid;
  const timeoutMs = options.wait ? options.timeoutMs : 0;
  try {
    await perform(world, locks, [{ do: "shutdown", domain, timeoutMs, thenDestroy: false }], `Stop ${status.name}`);
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "timeout") throw error;
    if (!options.wait) return;
    await perform(world, locks, [{ do: "destroy", domain }]);
    world.report.note(`${status.name}: did not shut down within ${Math.round(timeoutMs / 1000)} s and was powered off`);
  }
}

/**
 * Reboots a running instance: orderly, or with `hard` as by its reset button; a hard reboot of one that is off starts
 * it, as in OpenStack. Throws "conflict" where it does not run.
 */
export function rebootInstance(
  world: World,
  target: string,
  options: { readonly hard: boolean },
): Promise<PlanView | null> {
  return switchInstance(world, target, async (found) => {
    const { status } = found;
    if (isLive(status)) {
      if (!options.hard && status.state !== "running") {
        throw wrongState(status.name, `it is ${status.state}`, "Resume it first, or reboot it with --hard.");
      }
      return { title: `Reboot ${status.name}`, actions: [{ do: "reboot", domain: status.uuid, hard: options.hard }] };
    }
    if (!options.hard) {
      throw wrongState(status.name, "it is off", `Start it: estrato instance start ${status.name}.`);
    }
    await requireStartable(world, found);
    return { title: `Start ${status.name}`, actions: [{ do: "start", domain: status.uuid, paused: false }] };
  });
}
