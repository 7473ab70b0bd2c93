import { wordsOf } from "../../system-answer.ts";
import { isSameMemory, isSameSize } from "../machine-size.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { perform, repeat } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { onceItStands, type ResizeData, resizeDataSchema, startAgain } from "./resize-steps.ts";

export const resizeKind: Kind<ResizeData> = {
  name: "instance.resize",
  version: 2,
  data: resizeDataSchema,
  older: { 1: (data) => ({ ...(data as object), before: null }) },
  recover: recoverResize,
};

async function recoverResize(world: World, locks: HeldLocks, data: ResizeData): Promise<Outcome> {
  const status = await world.host.domainStatus(data.uuid);
  // Without a domain there is nothing that its memory could fit: what was to go, goes.
  if (status !== null && !stands(await world.store.read(), status, data)) {
    await goBack(world, locks, status, data);
    return "back";
  }
  for (const step of onceItStands(world, data)) await repeat(world, locks, step);
  if (data.restart && status !== null) await startOrSay(world, locks, data);
  return "forward";
}

/** Is it of the new size, and has it started where it ran before, or have its snapshots gone? */
function stands({ snapshots }: State, { inactive, live }: DomainStatus, data: ResizeData): boolean {
  if (!isSameSize(inactive, data)) return false;
  if (!data.restart || data.before === null || data.dropped.some((id) => snapshots[id] === undefined)) return true;
  return live !== null && isSameSize(live, data);
}

async function goBack(world: World, locks: HeldLocks, status: DomainStatus, data: ResizeData): Promise<void> {
  const { uuid, name, before } = data;
  if (before !== null && isSameSize(status.inactive, data)) {
    await perform(world, locks, [{ do: "define", xml: definedBefore(world, status, before.xml) }]);
    await recordFlavor(world, uuid, before.flavor);
    world.report.note(`${name}: it has the size again that it had`);
  }
  if (data.restart) await startOrSay(world, locks, data);
}

/**
 * As it was, or, where others have renamed it since or given it other disks, as they have made it, with the size that
 * it had.
 */
function definedBefore({ host }: World, { inactive }: DomainStatus, xml: string): string {
  const before = host.parseDefinition(xml);
  const disksOf = ({ disks }: typeof before) => JSON.stringify(disks.map(({ device, source }) => [device, source]));
  if (before.name === inactive.name && disksOf(before) === disksOf(inactive)) return xml;
  const { vcpus, ramBytes } = before;
  return host.editDefinition(inactive.xml, {
    ...(vcpus === inactive.vcpus ? {} : { vcpus }),
    ...(isSameMemory(ramBytes, inactive.ramBytes) ? {} : { ramBytes }),
  });
}

/** It may have been recorded already. */
async function recordFlavor(world: World, uuid: string, flavor: string | null): Promise<void> {
  await world.store.update((draft) => {
    const record = draft.instances[uuid];
    if (record !== undefined) record.flavor = flavor;
  });
}

/** In whatever size it has by now: a guest that does not start is the operator's to look at. */
async function startOrSay(world: World, locks: HeldLocks, data: ResizeData): Promise<void> {
  try {
    await perform(world, locks, startAgain(data).actions ?? []);
  } catch (error) {
    world.report.note(`${data.name}: it does not start: ${wordsOf(error)}`);
  }
}
