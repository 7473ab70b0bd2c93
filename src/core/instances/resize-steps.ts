/**
 * The steps of a resize. libvirt is told the new size while the guest still runs, since it refuses some that nobody
 * here can know of. Until it runs in that size there is the way back, with all that its snapshots kept; once these are
 * dropped, only forward.
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
  /** What it is again where it does not start; null in an entry of version 1, which leads only forward. */
  readonly before: { readonly xml: string; readonly flavor: string | null } | null;
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
  before: v.nullable(v.object({ xml: v.string(), flavor: v.nullable(v.string()) })),
});

export function resizeSteps(world: World, data: ResizeData, timeoutMs: number): Step[] {
  const steps: Step[] = [
    { id: "define-new-size", title: "Define the new size", actions: [{ do: "define", xml: data.xml }] },
  ];
  if (data.restart) {
    const shutdown: Action = { do: "shutdown", domain: data.uuid, timeoutMs, thenDestroy: true };
    steps.push({ id: "stop", title: `Stop ${data.name}`, actions: [shutdown] }, startAgain(data));
  }
  return [...steps, ...onceItStands(world, data)];
}

/** Each can be repeated. */
export function onceItStands(world: World, data: ResizeData): Step[] {
  return [
    { id: "record-new-size", title: "Record the new size", run: () => recordSize(world, data) },
    { id: "remove-memory", title: "Remove memory that fits no more", actions: unlinkRecords(world, data.dropped) },
  ];
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
