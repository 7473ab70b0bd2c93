/** Two stores on one machine: alice's, with the image golden on a chain of two layers, and bob's, who has nothing. */

import { exclusive } from "../../../../src/core/exclusive.ts";
import { kinds } from "../../../../src/core/kinds.ts";
import type { State } from "../../../../src/core/model/state.ts";
import type { World } from "../../../../src/core/ports.ts";
import { fakeClock, fakeIds } from "../../../fake/clock.ts";
import { type CrashPhase, type FakeHost, type FakeMachine, fakeHost, fakeMachine } from "../../../fake/host.ts";
import { Crash, type FakeDisk, type FakeStore, fakeDisk, fakeStore } from "../../../fake/store.ts";
import { addImage, emptyState } from "../../graph/build.ts";

export const ALICE = { name: "alice", uid: 0, home: "/home/alice" };
export const BOB = { name: "bob", uid: 3002, home: "/home/bob" };
export const CAROL = { name: "carol", uid: 3003, home: "/home/carol" };
type User = typeof ALICE;

export const TOP = "lay-0000000000000000b";
export const BOTTOM = "lay-0000000000000000a";
export const HIDDEN = "lay-0000000000000000c";
export const GOLDEN = "img-00000000000000abc";

export interface Hosted {
  readonly machine: FakeMachine;
  readonly disks: ReadonlyMap<string, FakeDisk>;
  readonly ids: World["ids"];
}

export interface Command extends World {
  readonly host: FakeHost;
  readonly store: FakeStore;
  readonly notes: string[];
}

export interface How {
  readonly dryRun?: boolean;
  readonly crash?:
    | { readonly at: "write"; readonly index: number; readonly phase: "before" | "after" }
    | { readonly at: "action"; readonly index: number; readonly phase: CrashPhase }
    | { readonly at: "step"; readonly index: number };
}

export const storeOf = (user: User) => `${user.home}/.local/share/estrato`;
export const fileOf = (layer: string, user = ALICE) => `${storeOf(user)}/layers/${layer}.qcow2`;

/** golden stands on TOP, TOP on BOTTOM; HIDDEN lies beside them and is nobody's business. */
export function hosted(change: (state: State) => void = () => {}): Hosted {
  const state = emptyState();
  const layer = (id: string, parent: string | null) => ({
    ...{ id, parent, file: fileOf(id), format: "qcow2" as const, sizeBytes: 1048576, frozen: true },
    ...{ foreign: null, secret: null, busy: null, createdAt: "2025-01-01T00:00:00.000Z" },
  });
  state.layers = { [BOTTOM]: layer(BOTTOM, null), [TOP]: layer(TOP, BOTTOM), [HIDDEN]: layer(HIDDEN, null) };
  for (const [id, name, on] of [
    [GOLDEN, "golden", TOP],
    ["img-00000000000000def", "mine", HIDDEN],
  ] as const) {
    addImage(state, id, [on]);
    Object.assign(state.images[id] as object, {
      name,
      owner: "alice",
      minDiskBytes: 0,
      disks: [{ device: "vda", layer: on, sizeBytes: 1048576 }],
    });
  }
  change(state);
  const machine = fakeMachine();
  machine.capabilities = { ...machine.capabilities, qemuUser: null };
  machine.users = [{ name: "root", uid: 0, home: "/root" }, BOB, CAROL];
  const on = {
    machine,
    disks: new Map([
      ["alice", fakeDisk(state)],
      ["bob", fakeDisk()],
      ["carol", fakeDisk()],
    ]),
    ids: fakeIds(),
  };
  const { host } = as(on, ALICE);
  for (const one of Object.values(state.layers)) {
    const parent = one.parent === null ? undefined : state.layers[one.parent];
    const backing = parent === undefined ? null : { path: parent.file, format: parent.format };
    host.addFile(one.file, { mode: 0o400, backing, content: { 0: `of ${one.id}` } });
  }
  return on;
}

/** One command of a user's, in a process of its own. */
export function as(on: Hosted, user: User, how: How = {}): Command {
  const notes: string[] = [];
  const { crash } = how;
  const host = fakeHost({
    machine: on.machine,
    ...(user === ALICE ? {} : { uid: user.uid }),
    ...(crash?.at === "action" ? { crashAt: crash } : {}),
  });
  const disk = on.disks.get(user.name) as FakeDisk;
  const store = fakeStore({ disk, home: storeOf(user), ...(crash?.at === "write" ? { crashAt: crash } : {}) });
  let steps = 0;
  return {
    kinds,
    ...{ host, store, notes, clock: fakeClock(), ids: on.ids, user: user.name, command: "estrato test" },
    imageStores: [storeOf(ALICE)],
    lockTimeoutMs: 0,
    dryRun: how.dryRun ?? false,
    signal: new AbortController().signal,
    report: {
      note: (text) => notes.push(text),
      progress: () => undefined,
      step: () => {
        if (crash?.at === "step" && crash.index === steps) {
          host.crash();
          store.crash();
          throw new Crash(`at step event ${steps}`);
        }
        steps += 1;
      },
      confirm: async () => true,
    },
  };
}

/** Any verb does it: recovers what a dead command left, and collects. */
export async function next(on: Hosted, user: User): Promise<Command> {
  const world = as(on, user);
  await exclusive(world, ["another"], async () => {});
  return world;
}

/** Runs `work` as `user` again and again, killed everywhere in turn, each time on a fresh machine; `check` looks at what the next command finds. */
export async function killedEverywhere(
  prepare: () => Promise<Hosted>,
  user: User,
  work: (world: Command) => Promise<unknown>,
  check: (on: Hosted, where: string) => Promise<void>,
): Promise<number> {
  const whole = as(await prepare(), user);
  let steps = 0;
  whole.report.step = () => {
    steps += 1;
  };
  await work(whole);
  const crashes: NonNullable<How["crash"]>[] = [
    ...Array.from({ length: steps }, (_, index) => ({ at: "step", index }) as const),
    ...whole.host.performed.flatMap((_, index) =>
      (["before", "midway", "after"] as const).map((phase) => ({ at: "action", index, phase }) as const),
    ),
    ...whole.store.writes.flatMap((_, index) =>
      (["before", "after"] as const).map((phase) => ({ at: "write", index, phase }) as const),
    ),
  ];
  for (const crash of crashes) {
    const on = await prepare();
    const world = as(on, user, { crash });
    await work(world).catch(() => undefined);
    world.host.crash();
    world.store.crash();
    for (const disk of on.disks.values()) disk.locks.clear();
    await check(on, JSON.stringify(crash));
  }
  return crashes.length;
}

export async function stateOf(on: Hosted, user: User): Promise<State> {
  return as(on, user).store.read();
}
