/** A host with its store in memory, in which one command after the other runs, and any of them can be killed anywhere. */

import type { NewImageOptions } from "../../../../src/core/images/record.ts";
import { kinds } from "../../../../src/core/kinds.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import type { State } from "../../../../src/core/model/state.ts";
import type { Reporter, World } from "../../../../src/core/ports.ts";
import { recoverAll } from "../../../../src/core/recovery.ts";
import { type FakeClock, fakeClock, fakeIds } from "../../../fake/clock.ts";
import { type CrashPhase, type FakeHost, type FakeMachine, fakeHost, fakeMachine } from "../../../fake/host.ts";
import { Crash, type FakeDisk, type FakeStore, fakeDisk, fakeStore } from "../../../fake/store.ts";

/** What outlives commands. */
export interface Bed {
  readonly machine: FakeMachine;
  readonly disk: FakeDisk;
  readonly clock: FakeClock;
  readonly ids: World["ids"];
}

/** Where a command is to die. */
export type CrashPoint =
  | { readonly at: "write"; readonly index: number; readonly phase: "before" | "after" }
  | { readonly at: "action"; readonly index: number; readonly phase: CrashPhase };

/** One command's process. */
export interface Process extends World {
  readonly host: FakeHost;
  readonly store: FakeStore;
  readonly notes: readonly string[];
}

export const SOURCE = "/tmp/debian.qcow2";
export const CONTENT = { 0: "boot", 3: "root" };

export function bed(): Bed {
  return { machine: fakeMachine(), disk: fakeDisk(), clock: fakeClock(), ids: fakeIds() };
}

export function command(
  { machine, disk, clock, ids }: Bed,
  how: { readonly crash?: CrashPoint; readonly dryRun?: boolean; readonly signal?: AbortSignal } = {},
): Process {
  const { crash } = how;
  const store = fakeStore({ disk, ...(crash?.at === "write" ? { crashAt: crash } : {}) });
  const host = fakeHost({ machine, ...(crash?.at === "action" ? { crashAt: crash } : {}) });
  const perform = host.perform;
  host.perform = async (action, options) => {
    try {
      await perform(action, options);
    } catch (error) {
      if (error instanceof Crash) store.crash(); // the process died: its other half is dead too
      throw error;
    }
  };
  const notes: string[] = [];
  const report: Reporter = {
    note: (text) => notes.push(text),
    progress: () => undefined,
    step: () => undefined,
    confirm: async () => true,
  };
  return {
    kinds,
    host,
    store,
    clock,
    ids,
    report,
    notes,
    user: "ana",
    command: "estrato image",
    lockTimeoutMs: 0,
    dryRun: how.dryRun ?? false,
    signal: how.signal ?? new AbortController().signal,
  };
}

/** The next command: recovers what the dead one left, and collects. */
export async function nextCommand(on: Bed): Promise<Process> {
  const world = command(on);
  await recoverAll(world);
  await collect(world);
  return world;
}

/** All that a refusal and a dry run must leave as it was. */
export function everything({ machine, disk }: Bed): string {
  const files = [...machine.files].map(([path, file]) => [path, { ...file, clusters: [...file.clusters] }]);
  const domains = [...machine.domains].map(([uuid, { inactive, live }]) => [uuid, inactive, live]);
  return JSON.stringify([files.sort(), domains, disk.state, [...disk.journal], [...disk.records]]);
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

/** Runs `work` again and again, killed at each write and in each action in turn, each time on a fresh bed; `check` looks at what the next command finds. */
export async function killedEverywhere(
  prepare: () => Promise<Bed>,
  work: (world: Process) => Promise<unknown>,
  check: (world: Process, point: CrashPoint) => Promise<void>,
): Promise<number> {
  const whole = command(await prepare());
  await work(whole);
  const points: CrashPoint[] = [
    ...whole.store.writes.flatMap((_, index) =>
      (["before", "after"] as const).map((phase) => ({ at: "write", index, phase }) as const),
    ),
    ...whole.host.performed.flatMap((_, index) =>
      (["before", "midway", "after"] as const).map((phase) => ({ at: "action", index, phase }) as const),
    ),
  ];
  for (const crash of points) {
    const on = await prepare();
    await work(command(on, { crash })).catch((error: unknown) => {
      if (!(error instanceof Crash)) throw error;
    });
    on.disk.locks.clear();
    await check(await nextCommand(on), crash);
  }
  return points.length;
}

export function imageNamed(name: string): NewImageOptions {
  return { name, properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
}

export function onlyImage(state: State) {
  return Object.values(state.images)[0];
}
