/**
 * The steps of a resize. Before the definition nothing has changed but that it may be off; after it there is only
 * forward.
 */
import * as v from "valibot";
import type { Action } from "../model/action.ts";
import type { Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { dropSnapshots, unlinkRecords } from "../snapshots/drop.ts";

/** What the journal remembers. */
export interface ResizeData {
  readonly uuid: string;
  readonly name: string;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly flavor: string | null; // null: figures of its own
  readonly dropped: readonly string[]; // snapshots whose memory fits no more
  readonly restart: boolean; // it ran before
  readonly xml: string;
}

export const resizeDataSchema: v.GenericSchema<unknown, ResizeData> = v.object({
  uuid: v.string(),
  name: v.string(),
  vcpus: v.number(),
  ramBytes: v.number(),
  flavor: v.nullable(v.string()),
  dropped: v.array(v.string()),
  restart: v.boolean(),
  xml: v.string(),
});

export function resizeSteps(world: World, data: ResizeData, timeoutMs: number): Step[] {
  const steps: Step[] = [];
  if (data.restart) {
    const shutdown: Action = { do: "shutdown", domain: data.uuid, timeoutMs, thenDestroy: true };
    steps.push({ id: "stop", title: `Stop ${data.name}`, actions: [shutdown] });
  }
  steps.push({ id: "define-new-size", title: "Define the new size", actions: [{ do: "define", xml: data.xml }] });
  return [...steps, ...afterDefining(world, data)];
}

/** Each can be repeated. */
export function afterDefining(world: World, data: ResizeData): Step[] {
  const steps: Step[] = [
    { id: "record-new-size", title: "Record the new size", run: () => recordSize(world, data) },
    { id: "remove-memory", title: "Remove memory that fits no more", actions: unlinkRecords(world, data.dropped) },
  ];
  if (data.restart) steps.push(startAgain(data));
  return steps;
}

export function startAgain(data: ResizeData): Step {
  return { id: "start", title: `Start ${data.name}`, actions: [{ do: "start", domain: data.uuid, paused: false }] };
}

async function recordSize(world: World, data: ResizeData): Promise<void> {
  await world.store.update((draft) => {
    dropSnapshots(draft, data.dropped);
    const record = draft.instances[data.uuid];
    if (record !== undefined) record.flavor = data.flavor;
  });
}
