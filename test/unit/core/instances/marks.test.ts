/** Two stores on one libvirt: a guest is that store's which has taken it in, though nothing of it lies there yet. */
import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { adoptInstance, releaseInstance } from "../../../../src/core/instances/release.ts";
import { resizeInstance } from "../../../../src/core/instances/resize.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import type { DomainMark } from "../../../../src/core/model/host.ts";
import type { World } from "../../../../src/core/ports.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { ENDINGS } from "../ends.ts";
import { ALICE, as, BOB, endEverywhere, type Hosted, hosted, next, stateOf, storeOf } from "../sharing/world.ts";
import { creation } from "../world.ts";

const FILE = "/srv/legacy.qcow2";

function estate({ running = false } = {}): Hosted {
  const on = hosted();
  const { host } = as(on, ALICE);
  host.addFile(FILE, { mode: 0o640, uid: 7, gid: 8, content: { 0: "old" } });
  host.addDomain({ name: "web1", running, disks: [{ device: "vda", path: FILE, format: "qcow2" }] });
  return on;
}

const adopted = async (options = {}): Promise<Hosted> => {
  const on = estate(options);
  await adoptInstance(as(on, ALICE), "web1");
  return on;
};

/** The store lies on the disk, for who looks whether it is there. */
const standing = (on: Hosted): Hosted => {
  as(on, ALICE).host.addFile(`${storeOf(ALICE)}/state.json`, { format: "raw", text: "{}" });
  return on;
};

async function marksOf(on: Hosted): Promise<Record<"inactive" | "live", string[] | null>> {
  const status = await as(on, ALICE).host.domainStatus("web1");
  const homes = (marks: readonly DomainMark[]) => marks.map(({ home }) => home);
  return { inactive: homes(status?.inactive.marks ?? []), live: status?.live ? homes(status.live.marks) : null };
}

const named = (world: World) =>
  setInstance(world, "web1", { name: null, properties: { tier: "a" }, dropProperties: [], autostart: null });
const resized = (world: World) =>
  resizeInstance(world, "web1", { flavor: null, vcpus: 2, ramBytes: null, restart: false, timeoutMs: 1 });

const CHANGES: readonly (readonly [string, (world: World) => Promise<unknown>])[] = [
  ["instance adopt", (world) => adoptInstance(world, "web1")],
  ["snapshot create", (world) => createSnapshot(world, creation("s"))],
  ["instance set", named],
  [
    "instance set --autostart",
    (world) => setInstance(world, "web1", { name: null, properties: {}, dropProperties: [], autostart: true }),
  ],
  ["instance resize", resized],
  ["instance delete", (world) => deleteInstance(world, "web1", { keepVolumes: false })],
];

describe("a guest that another store has taken in", () => {
  test.each(CHANGES)("is not changed from here: %s", async (_, change) => {
    const on = await adopted();
    const before = JSON.stringify([[...on.machine.domains], [...on.machine.files.keys()]]);
    await expect(change(as(on, BOB))).rejects.toMatchObject({
      code: "conflict",
      message: `instance web1: it belongs to the store ${storeOf(ALICE)}`,
      hint: expect.stringContaining(
        `--store ${storeOf(ALICE)}; where that store is gone for good: estrato instance adopt`,
      ),
    });
    expect(JSON.stringify([[...on.machine.domains], [...on.machine.files.keys()]])).toBe(before);
    expect((await stateOf(on, BOB)).instances).toEqual({});
  });

  test("is started and stopped from anywhere, as libvirt would do it for anybody", async () => {
    const on = await adopted();
    await startInstance(as(on, BOB), "web1");
    await stopInstance(as(on, BOB), "web1", { force: true, wait: true, timeoutMs: 1 });
    expect(await marksOf(on)).toEqual({ inactive: [storeOf(ALICE)], live: null });
  });

  test("is anybody's once it is released, and so is one whose store had forgotten it", async () => {
    const on = await adopted({ running: true });
    expect(await marksOf(on)).toEqual({ inactive: [storeOf(ALICE)], live: [storeOf(ALICE)] });
    await releaseInstance(as(on, ALICE), "web1");
    expect(await marksOf(on)).toEqual({ inactive: [], live: [] });
    await adoptInstance(as(on, BOB), "web1");
    await as(on, BOB).store.update((draft) => {
      draft.instances = {};
      draft.volumes = {};
    });
    await releaseInstance(as(on, BOB), "web1");
    await adoptInstance(as(on, ALICE), "web1");
    expect(await marksOf(on)).toEqual({ inactive: [storeOf(ALICE)], live: [storeOf(ALICE)] });
  });

  test("leaves its mark to no clone: that is nobody's", async () => {
    const on = await adopted();
    const { host } = as(on, ALICE);
    const xml = (await host.domainStatus("web1"))?.inactive.xml ?? "";
    const uuid = "99999999-2222-4333-8444-555555555555";
    host.addFile("/srv/clone.qcow2", { content: { 0: "clone" } });
    const disks = { vda: { path: "/srv/clone.qcow2", format: "qcow2" } };
    await host.perform({ do: "define", xml: host.editDefinition(xml, { name: "web2", uuid, disks }) });
    await adoptInstance(as(on, BOB), "web2");
    expect(Object.keys((await stateOf(on, BOB)).instances)).toEqual([uuid]);
  });
});

test("a guest that was taken in before there were marks gets one with the next change of it", async () => {
  const on = await adopted();
  for (const change of [named, resized, (world: World) => createSnapshot(world, creation("s"))]) {
    const [mark] = (await as(on, ALICE).host.domainStatus("web1"))?.inactive.marks ?? [];
    const { uuid = "" } = (await as(on, ALICE).host.domainStatus("web1")) ?? {};
    await as(on, ALICE).host.perform({ do: "mark-domain", domain: uuid, mark: mark as DomainMark, on: false });
    expect((await marksOf(on)).inactive).toEqual([]);
    await change(as(on, ALICE));
    expect((await marksOf(on)).inactive).toEqual([storeOf(ALICE)]);
  }
  expect(await examine(as(on, ALICE))).toEqual([]);
});

test("of two that take it in at the same moment one at least sees the other, and lets it go again", async () => {
  const on = estate();
  const [alice, bob] = [as(on, ALICE), as(on, BOB)];
  const { perform } = alice.host;
  alice.host.perform = async (action, options) => {
    if (action.do === "mark-domain" && action.on) await adoptInstance(bob, "web1");
    return perform(action, options);
  };
  await expect(adoptInstance(alice, "web1")).rejects.toMatchObject({ message: expect.stringContaining(storeOf(BOB)) });
  expect((await marksOf(on)).inactive).toEqual([storeOf(BOB)]);
  const { instances, volumes, layers } = await stateOf(on, ALICE);
  expect([instances, volumes, Object.values(layers).some(({ file }) => file === FILE)]).toEqual([{}, {}, false]);
  await createSnapshot(as(on, BOB), creation("s"));
  expect(await examine(as(on, BOB))).toEqual([]);
});

describe("a guest that two stores took in before there were marks", () => {
  const doubly = async (): Promise<Hosted> => {
    const on = await adopted();
    const found = await as(on, ALICE).host.domainStatus("web1");
    const [mark] = found?.inactive.marks ?? [];
    const marked = { do: "mark-domain", domain: found?.uuid ?? "", mark: mark as DomainMark } as const;
    await as(on, ALICE).host.perform({ ...marked, on: false });
    await adoptInstance(as(on, BOB), "web1");
    await as(on, ALICE).host.perform({ ...marked, on: true });
    return on;
  };

  test("is changed by neither, and doctor says so in both", async () => {
    const on = await doubly();
    for (const [mine, other] of [
      [ALICE, BOB],
      [BOB, ALICE],
    ] as const) {
      await expect(named(as(on, mine))).rejects.toMatchObject({
        code: "conflict",
        message: `instance web1: it belongs to this store, and also to the store ${storeOf(other)}`,
      });
      expect(await examine(as(on, mine))).toMatchObject([
        { problem: `it bears the mark of another store: ${storeOf(other)}`, mending: null },
      ]);
    }
  });

  test("is the other's when one has released it, which touches no file", async () => {
    const on = await doubly();
    const before = on.machine.files.get(FILE);
    Object.assign(before ?? {}, { mode: 0o400 }); // the other one has frozen it
    await releaseInstance(as(on, BOB), "web1");
    expect(on.machine.files.get(FILE)?.mode).toBe(0o400);
    expect(await marksOf(on)).toEqual({ inactive: [storeOf(ALICE)], live: null });
    expect((await stateOf(on, BOB)).volumes).toEqual({});
    await named(as(on, ALICE));
  });
});

describe("instance adopt --take-over", () => {
  const take = (world: World) => adoptInstance(world, "web1", { takeOver: true });

  test("is refused where the other store is there", async () => {
    const on = standing(await adopted());
    await expect(take(as(on, BOB))).rejects.toMatchObject({
      code: "conflict",
      message: `instance web1: the store ${storeOf(ALICE)}, which it belongs to, is there`,
      hint: `Release it there: estrato --store ${storeOf(ALICE)} instance release web1.`,
    });
  });

  test("asks, and changes nothing where the answer is no", async () => {
    const on = await adopted();
    const bob = as(on, BOB, { answer: false });
    await take(bob);
    expect(bob.asked).toMatchObject([{ text: expect.stringContaining(`from the store ${storeOf(ALICE)}?`) }]);
    expect((await marksOf(on)).inactive).toEqual([storeOf(ALICE)]);
    expect((await stateOf(on, BOB)).instances).toEqual({});
  });

  test("takes it in after a yes, and asks nothing where it is nobody's", async () => {
    const on = await adopted();
    await take(as(on, BOB));
    expect((await marksOf(on)).inactive).toEqual([storeOf(BOB)]);
    const again = as(on, BOB);
    await take(again);
    expect(again.asked).toEqual([]);
    expect(await examine(again)).toEqual([]);
  });
});

test.each(ENDINGS)(
  "adopting, %s, leaves it taken in or not, and never to two",
  { timeout: 60_000 },
  async (_, ending) => {
    await endEverywhere(
      ending,
      async () => estate({ running: true }),
      BOB,
      (world) => adoptInstance(world, "web1"),
      async (on, where) => {
        const world = await next(on, BOB);
        const isIn = Object.keys((await stateOf(on, BOB)).instances).length > 0;
        if (isIn) await named(world);
        else expect((await marksOf(on)).inactive, where).toEqual([]);
        const other = adoptInstance(as(on, ALICE), "web1");
        if (isIn) await expect(other, where).rejects.toMatchObject({ code: "conflict" });
        else await other;
        expect(await examine(as(on, isIn ? BOB : ALICE)), where).toEqual([]);
      },
    );
  },
);

test.each(ENDINGS)("releasing, %s, leaves no mark of who has forgotten it", { timeout: 60_000 }, async (_, ending) => {
  await endEverywhere(
    ending,
    async () => {
      const on = estate({ running: true });
      await adoptInstance(as(on, BOB), "web1");
      return on;
    },
    BOB,
    (world) => releaseInstance(world, "web1"),
    async (on, where) => {
      await next(on, BOB);
      const isIn = Object.keys((await stateOf(on, BOB)).instances).length > 0;
      if (isIn) await releaseInstance(as(on, BOB), "web1");
      expect(await marksOf(on), where).toEqual({ inactive: [], live: [] });
      await adoptInstance(as(on, ALICE), "web1");
    },
  );
});
