/** Two stores on one machine: alice's, with the image golden on a chain of two layers, and bob's, who has nothing. */
import type { State } from "../../../../src/core/model/state.ts";
import { withLocks } from "../../../../src/core/operations/with-locks.ts";
import type { World } from "../../../../src/core/ports.ts";
import { fakeClock, fakeIds } from "../../../fake/clock.ts";
import { type FakeMachine, fakeMachine } from "../../../fake/host.ts";
import { type FakeDisk, fakeDisk } from "../../../fake/store.ts";
import { addImage, emptyState } from "../../graph/build.ts";
import { come, type Ending, endsOf } from "../ends.ts";
import { command, type How, type Process } from "../process.ts";

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
export function as(on: Hosted, user: User, how: How = {}): Process {
  const { machine, ids } = on;
  const bed = { machine, ids, disk: on.disks.get(user.name) as FakeDisk, clock: fakeClock() };
  const who = user === ALICE ? {} : { uid: user.uid };
  return command(bed, { ...how, ...who, user: user.name, home: storeOf(user), imageStores: [storeOf(ALICE)] });
}

/** Any verb does it: recovers what a dead command left, and collects. */
export async function next(on: Hosted, user: User, world = as(on, user)): Promise<Process> {
  await withLocks(world, ["another"], async () => {});
  return world;
}

/**
 * Runs `work` as `user` again and again, ended badly at each point in turn, each time on a fresh machine; `check` looks
 * at what the next command finds.
 */
export async function endEverywhere(
  ending: Ending,
  prepare: () => Promise<Hosted>,
  user: User,
  work: (world: Process) => Promise<unknown>,
  check: (on: Hosted, where: string) => Promise<void>,
): Promise<number> {
  const whole = as(await prepare(), user);
  await work(whole);
  const ends = endsOf(ending, whole);
  for (const end of ends) {
    const on = await prepare();
    await come(end, () => work(as(on, user, end.how)));
    await check(on, end.point);
  }
  return ends.length;
}

export async function stateOf(on: Hosted, user: User): Promise<State> {
  return as(on, user).store.read();
}
