/** What collecting asks while the verb that makes a layer loose is at work, and the locks that both of them need. */
import { expect, test } from "vitest";
import { collect } from "../../../../src/core/layers/collect.ts";
import type { State } from "../../../../src/core/model/state.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { type Bed, command, disksOf, type Process, stateOf, stop, take, UUID, withGuest, write } from "../world.ts";

/** s1 ← s2 ← its head. */
async function withTwo(running: boolean): Promise<Bed> {
  const on = withGuest();
  for (const name of ["s1", "s2"]) {
    await take(on, name);
    write(on, 2, name);
  }
  if (!running) await stop(on);
  return on;
}

const layers = async (on: Bed) => Object.keys((await stateOf(on)).layers).length;

/** What it does that concerns others, in order. */
function watched(world: Process): string[] {
  const done: string[] = [];
  const { update, lock } = world.store;
  world.store.update = ((change) => {
    done.push("update");
    return update(change);
  }) as typeof update;
  world.store.lock = async (names, timeoutMs, signal) => {
    done.push(`lock ${names.join(" ")}`);
    const held = await lock(names, timeoutMs, signal);
    return {
      ...held,
      release: async () => {
        done.push(`release ${names.join(" ")}`);
        await held.release();
      },
    };
  };
  const { domainStatuses, perform } = world.host;
  world.host.domainStatuses = async (uuids) => {
    done.push("look");
    return domainStatuses(uuids);
  };
  world.host.perform = async (action, options) => {
    done.push(action.do);
    return perform(action, options);
  };
  return done;
}

const removing = (on: Bed, world = command(on)) => deleteSnapshot(world, "web1/s1", { children: false });

test.each([true, false])(
  "it is asked once, before the pointer is gone, and the instance stays locked (running: %s)",
  async (running) => {
    const on = await withTwo(running);
    const [before, held] = [await layers(on), await disksOf(on)];
    const world = command(on);
    const done = watched(world);
    await removing(on, world);
    const locks = done.filter((one) => /^(lock|release)/.test(one));
    const layer = /^lock (lay-\w+)$/.exec(locks[1] ?? "")?.[1];
    expect(locks).toEqual([`lock ${UUID}`, `lock ${layer}`, `release ${layer}`, `release ${UUID}`]);
    expect(done.filter((one) => one === "look")).toHaveLength(2); // at its guest, and at all domains
    expect(done.indexOf("look")).toBeLessThan(done.indexOf("update"));
    expect(await layers(on)).toBe(before - 1);
    expect(await disksOf(on)).toEqual(held);
  },
);

test("it is asked again where the chain is another by then", async () => {
  const on = await withTwo(false);
  const before = await layers(on);
  const world = command(on);
  const done = watched(world);
  const { close } = world.store.journal;
  world.store.journal.close = async (id) => {
    const state = JSON.parse(on.disk.state ?? "") as State;
    for (const layer of Object.values(state.layers)) layer.busy = "op-00000000000000000";
    on.disk.state = JSON.stringify(state);
    await close(id);
  };
  await removing(on, world);
  expect(done.filter((one) => one === "look")).toHaveLength(3); // the last one finds that nothing can go
  expect(await layers(on)).toBe(before);
});

test("it is asked again where there was no answer", async () => {
  const on = await withTwo(false);
  const [before, held] = [await layers(on), await disksOf(on)];
  const world = command(on);
  const { domainStatuses } = world.host;
  let asked = 0;
  world.host.domainStatuses = async (uuids) => {
    asked += 1;
    if (asked === 1) throw new Error("no answer");
    return domainStatuses(uuids);
  };
  await removing(on, world);
  expect(asked).toBe(3); // of all domains, too
  expect(await layers(on)).toBe(before - 1);
  expect(await disksOf(on)).toEqual(held);
});

test("nothing that it asks fails the verb that has ended, and a note says what waits", async () => {
  const on = withGuest({ disks: [{ content: { 0: "a" } }, { content: { 0: "b" } }] });
  for (const name of ["s1", "s2"]) {
    await take(on, name);
    write(on, 2, name);
  }
  const before = await layers(on);
  const world = command(on);
  const { domainStatuses } = world.host;
  const { close } = world.store.journal;
  let isGone = false;
  world.store.journal.close = async (id) => {
    await close(id);
    isGone = true; // libvirt is being restarted
  };
  world.host.domainStatuses = async (uuids) => {
    if (isGone) throw new EstratoError("host", "virsh: failed to connect to the hypervisor");
    return domainStatuses(uuids);
  };
  await removing(on, world);
  expect(world.notes).toEqual([
    "nothing is collected now (virsh: failed to connect to the hypervisor); it will be tried again",
  ]);
  expect(Object.values((await stateOf(on)).snapshots).map(({ name }) => name)).toEqual(["s2"]);
  await collect(command(on));
  expect(await layers(on)).toBe(before - 2);
});

test("an interruption while it asks ends the command", async () => {
  const on = await withTwo(true);
  const world = command(on);
  const state = JSON.parse(on.disk.state ?? "") as State;
  on.disk.state = JSON.stringify({ ...state, snapshots: {}, instances: forgetful(state) });
  world.host.domainStatuses = async () => {
    throw new EstratoError("interrupted", "interrupted");
  };
  await expect(collect(world)).rejects.toMatchObject({ code: "interrupted" });
});

test("a lock that a merge does not need is free before it begins", async () => {
  const on = await withTwo(false);
  const state = JSON.parse(on.disk.state ?? "") as State;
  on.disk.state = JSON.stringify({ ...state, snapshots: {}, instances: forgetful(state) });
  const before = await layers(on);
  const world = command(on);
  const done = watched(world);
  await collect(world, await world.store.lock(["/backups", UUID], 0));
  expect(done.indexOf(`release /backups ${UUID}`)).toBeLessThan(
    done.findIndex((one) => one === "commit" || one === "rebase"),
  );
  expect(await layers(on)).toBeLessThan(before);
});

function forgetful({ instances }: State): State["instances"] {
  return Object.fromEntries(Object.entries(instances).map(([id, one]) => [id, { ...one, current: null }]));
}
