/** Overlays of other tools that stood on a layer of ours, and of which nobody is left. */
import { expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import { requireSound } from "../crashes.ts";
import { type Bed, command, disksOf, stateOf, take, withGuest } from "../world.ts";

const FILE = "/backups/overlay.qcow2";
const FOREIGN = "lay-0123456789abcdef0";

/** A snapshot's layer, and on it what another tool's guest had, whose file is gone. */
async function left(frozen = true): Promise<Bed> {
  const on = withGuest({ running: false });
  command(on).host.addFile("/backups/another.qcow2", { format: "qcow2" });
  await take(on, "s1");
  await take(on, "s2");
  await command(on).store.update((draft) => {
    const below = Object.values(draft.snapshots)[1]?.disks[0]?.layer ?? "";
    const like = draft.layers[below];
    if (like === undefined) throw new Error("there is no layer below");
    const foreign = { uid: 0, gid: 0, mode: 0o644 };
    draft.layers[FOREIGN] = { ...like, id: FOREIGN, parent: below, file: FILE, format: "qcow2", foreign, frozen };
  });
  return on;
}

test.each([true, false])(
  "one that is gone is forgotten after a yes, frozen (%s) or a guest's last head",
  async (frozen) => {
    const on = await left(frozen);
    const held = await disksOf(on);
    expect(await examine(command(on))).toMatchObject([
      { subject: FILE, problem: expect.stringContaining("is missing") },
    ]);
    const world = command(on);
    expect((await repair(world)).map(({ result }) => result)).toEqual(["mended"]);
    expect(world.asked).toMatchObject([{ loses: [expect.stringContaining(FILE)], byPerson: false }]);
    expect((await stateOf(on)).layers[FOREIGN]).toBeUndefined();
    expect(await disksOf(on)).toEqual(held);
    expect(await examine(command(on))).toEqual([]);
    await requireSound(on, "forgotten");
  },
);

test("one that a volume stands on is not: its disk may just not be mounted", async () => {
  const on = await left();
  await command(on).store.update((draft) => {
    const volume = Object.values(draft.volumes)[0];
    if (volume !== undefined)
      draft.volumes["vol-0123456789abcdef0"] = {
        ...volume,
        id: "vol-0123456789abcdef0",
        head: FOREIGN,
        instance: null,
        device: null,
        name: "away",
      };
    const layer = draft.layers[FOREIGN];
    if (layer !== undefined) layer.frozen = false;
  });
  const world = command(on);
  expect((await repair(world)).map(({ result }) => result)).toEqual(["left"]);
  expect(world.asked).toEqual([]);
  expect((await stateOf(on)).layers[FOREIGN]).toBeDefined();
});

test("where nothing is left of its folder, a person must say that it is not just away", async () => {
  const on = await left();
  on.machine.files.delete("/backups/another.qcow2");
  const world = command(on, { answer: false });
  const [found] = await repair(world);
  expect(found).toMatchObject({ result: "left", problem: expect.stringContaining("as all that lay in /backups") });
  expect(world.asked).toMatchObject([{ byPerson: true }]);
});

test("nor is one without a yes", async () => {
  const on = await left();
  const no = command(on, { answer: false });
  expect((await repair(no)).map(({ result }) => result)).toEqual(["left"]);
  expect((await stateOf(on)).layers[FOREIGN]).toBeDefined();
});

test("with it go those of others that stood on it", async () => {
  const on = await left();
  await command(on).store.update((draft) => {
    const below = draft.layers[FOREIGN];
    if (below !== undefined)
      draft.layers["lay-fff"] = { ...below, id: "lay-fff", parent: FOREIGN, file: "/backups/2.qcow2" };
  });
  await repair(command(on));
  expect(await examine(command(on))).toEqual([]);
});

test("with it goes what stood on a layer of ours in between, in one run", async () => {
  const on = await left();
  const { host, store } = command(on);
  const between = `${store.paths.layersFolder}/lay-eee.qcow2`;
  host.addFile(between, { format: "qcow2", backing: { path: FILE, format: "qcow2" } });
  await store.update((draft) => {
    const below = draft.layers[FOREIGN];
    if (below === undefined) return;
    draft.layers["lay-eee"] = { ...below, id: "lay-eee", parent: FOREIGN, file: between, foreign: null };
    draft.layers["lay-fff"] = { ...below, id: "lay-fff", parent: "lay-eee", file: "/backups/2.qcow2" };
  });
  const world = command(on);
  expect((await repair(world)).map(({ result }) => result)).not.toContain("left");
  expect(world.asked.flatMap(({ loses }) => loses)).toContainEqual(expect.stringContaining("/backups/2.qcow2"));
  expect(Object.keys((await stateOf(on)).layers)).not.toContain("lay-eee");
  expect(await examine(command(on))).toEqual([]);
});

test("while it is away nothing is merged that stands on it, and then all that waits", async () => {
  const on = withGuest({ running: false });
  await take(on, "s1");
  await take(on, "s2");
  const held = await disksOf(on);
  const [path, file] = [...on.machine.files].find(([name]) => name.startsWith("/disks/")) ?? [];
  if (path === undefined || file === undefined) throw new Error("there is no file of others");
  on.machine.files.delete(path);
  await command(on).store.update((draft) => {
    for (const { id, name } of Object.values(draft.snapshots)) if (name === "s2") delete draft.snapshots[id];
  });
  const world = command(on);
  const before = Object.keys((await stateOf(on)).layers);
  await collect(world);
  expect(world.notes).toEqual([]);
  expect(await world.store.journal.list()).toEqual([]);
  expect(Object.keys((await stateOf(on)).layers)).toEqual(before);
  on.machine.files.set(path, file);
  await collect(command(on));
  expect(Object.keys((await stateOf(on)).layers)).toHaveLength(before.length - 1);
  expect(await disksOf(on)).toEqual(held);
  await requireSound(on, "merged");
});

test("one that stood on nothing is forgotten after a yes, and until then nobody tries to give it back", async () => {
  const on = await left();
  await command(on).store.update((draft) => {
    const below = draft.layers[FOREIGN];
    if (below !== undefined) below.parent = null;
  });
  const away = command(on);
  await collect(away);
  expect([away.notes, await away.store.journal.list()]).toEqual([[], []]);
  expect((await stateOf(on)).layers[FOREIGN]).toBeDefined();
  const world = command(on);
  expect((await repair(world)).map(({ result }) => result)).toEqual(["mended"]);
  expect(world.asked).toMatchObject([{ loses: [expect.stringContaining(`owner and mode that ${FILE}`)] }]);
  expect(await examine(command(on))).toEqual([]);
});

test.each([true, false])(
  "one that is there is its guest's, who writes to it as before (%s: frozen)",
  async (frozen) => {
    const on = await left(frozen);
    const { host } = command(on);
    const below = (await stateOf(on)).layers[(await stateOf(on)).layers[FOREIGN]?.parent ?? ""]?.file ?? "";
    host.addFile(FILE, { format: "qcow2", backing: { path: below, format: "qcow2" } });
    const disks = [{ device: "vda", path: FILE, format: "qcow2" }];
    host.addDomain({ name: "given-back", uuid: "99999999-2222-4333-8444-555555555555", disks });
    const problems = (await examine(command(on))).map(({ problem }) => problem);
    expect(problems.filter((problem) => problem.includes("others stand on"))).toEqual([]);
  },
);
