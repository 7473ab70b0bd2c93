import { wordsOf } from "../../system-answer.ts";
import { perform, repeat } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { afterDefining, type ResizeData, resizeDataSchema, startAgain } from "./resize-steps.ts";

export const resizeKind: Kind<ResizeData> = {
  name: "instance.resize",
  version: 1,
  data: resizeDataSchema,
  recover: recoverResize,
};

async function recoverResize(world: World, locks: HeldLocks, data: ResizeData): Promise<Outcome> {
  const status = await world.host.domainStatus(data.uuid);
  const defined = status?.inactive.vcpus === data.vcpus && status.inactive.ramBytes === data.ramBytes;
  // Without a domain there is nothing that its memory could fit: what was to go, goes.
  if (status !== null && !defined) {
    if (data.restart) await startOrSay(world, locks, data);
    return "back";
  }
  for (const step of afterDefining(world, { ...data, restart: false })) await repeat(world, locks, step);
  if (data.restart && status !== null) await startOrSay(world, locks, data);
  return "forward";
}

/** Its size is recorded by now: a guest that does not start is the operator's to look at. */
async function startOrSay(world: World, locks: HeldLocks, data: ResizeData): Promise<void> {
  try {
    await perform(world, locks, startAgain(data).actions ?? []);
  } catch (error) {
    world.report.note(`${data.name}: it does not start: ${wordsOf(error)}`);
  }
}
