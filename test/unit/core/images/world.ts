/**
 * A host with its store in memory, in which one command after the other runs, and any of them can be killed anywhere.
 */

import type { NewImageOptions } from "../../../../src/core/images/record.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import type { State } from "../../../../src/core/model/state.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { type Ending, everyEnd } from "../ends.ts";
import { type Bed, command, type Process } from "../world.ts";

export { type Bed, bed, command, everything, type Process } from "../world.ts";

export const SOURCE = "/tmp/debian.qcow2";
export const CONTENT = { 0: "boot", 3: "root" };

/** The next command: recovers what the dead one left, and collects. */
export async function nextCommand(on: Bed): Promise<Process> {
  const world = command(on);
  await recoverAll(world);
  await collect(world);
  return world;
}

/** Files in the layers' folder that no layer is, and layers without a file. */
export async function orphansAndGaps(world: Process): Promise<string[]> {
  const state = await world.store.read();
  const known = Object.values(state.layers).map((layer) => layer.file);
  const folder = world.store.paths.layersFolder;
  const there = [...world.host.machine.files.keys()].filter((path) => path.startsWith(folder));
  return [
    ...there.filter((path) => !known.includes(path)),
    ...known.filter((path) => !world.host.machine.files.has(path)),
  ];
}

/** Ends `work` badly at each point in turn; `check` looks at what the next command finds. */
export async function endEverywhere(
  ending: Ending,
  prepare: () => Promise<Bed>,
  work: (world: Process) => Promise<unknown>,
  check: (world: Process, where: string) => Promise<void>,
): Promise<void> {
  for (const { point, strike } of (await everyEnd(ending, { prepare, run: work })).ends) {
    await check(await nextCommand(await strike()), point);
  }
}

export function imageNamed(name: string): NewImageOptions {
  return { name, properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
}

export function onlyImage(state: State) {
  return Object.values(state.images)[0];
}
