/** What the verbs on several instances have in common. */
import { type InstanceDetail, showInstance } from "../../core/instances/show.ts";
import { DEFAULT_WAIT_MS } from "../../core/instances/wait.ts";
import { type PlanView, unchanged } from "../../core/operations/steps.ts";
import type { World } from "../../core/ports.ts";
import { many, one } from "../framework/arguments.ts";
import { choice, duration } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import type { Context, Done } from "../framework/tree.ts";
import { instanceDetailColumns } from "./columns.ts";

export const oneInstance = one("INSTANCE", "an instance, by name or id", {
  complete: "instance",
  ask: "Which instance?",
});
export const runningInstance = one("INSTANCE", "an instance that runs, by name or id", {
  complete: "running",
  ask: "Which instance?",
});
export const manyInstances = many("INSTANCE", "instances, by name or id", {
  complete: "instance",
  ask: "Which instance?",
});

/** The instances as they are afterwards, for those who ask with a format, a column or a query. */
export const instancesOnRequest = result.one(instanceDetailColumns, { onRequest: true });

/** An instance for people, with the address that is reserved for it: `web1 (192.168.122.2)`. */
export async function withAddress({ target, world }: Pick<Done, "target" | "world">): Promise<string> {
  const { lookUpInstance } = await import("../../core/instances/find.ts");
  const { status, record } = await lookUpInstance(await world(), target);
  const ip = record?.addresses.find((one) => one.ip !== null)?.ip;
  return `${status?.name ?? record?.name ?? target}${ip == null ? "" : ` (${ip})`}`;
}

/** For the verbs after which a guest runs. */
export const waiting = {
  wait: choice(["address", "agent"], "return only when it has one"),
  timeout: duration("how long to wait for that", { default: DEFAULT_WAIT_MS }),
};

/** Starts each target by `work`, waits as the options say, and shows it as eachInstance does. */
export async function eachStarted(
  context: Context,
  targets: readonly string[],
  verb: string,
  options: { readonly wait: "address" | "agent" | null; readonly timeout: number },
  work: (world: World, target: string) => Promise<PlanView | null>,
) {
  return eachInstance(context, targets, verb, async (world, target) => {
    const plan = await work(world, target);
    if (plan !== null || options.wait === null) return plan;
    const { waitForInstance } = await import("../../core/instances/wait.ts");
    await waitForInstance(world, target, { kind: options.wait }, options.timeout);
    return null;
  });
}

/** Calls `work` for each target; then, where somebody wants to read it, shows what the target has become. */
export async function eachInstance(
  context: Context,
  targets: readonly string[],
  verb: string,
  work: (world: World, target: string) => Promise<PlanView | null>,
) {
  const world = await context.world();
  const isAsked = instanceDetailColumns.some(({ key }) => context.wants(key));
  return eachTarget(
    context,
    targets,
    { kind: "instance", verb },
    async (target): Promise<PlanView | InstanceDetail | null> => {
      const plan = (await work(world, target)) ?? unchanged(world, null, `${target}: it is so already.`);
      if (plan !== null || !isAsked) return plan;
      return showInstance(world, target);
    },
  );
}
