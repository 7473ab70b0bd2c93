/** A lender who is not root is not trusted: what is taken from him is copied, and checked on the copy. */
import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { saveImage } from "../../../../src/core/images/save.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import type { State } from "../../../../src/core/model/state.ts";
import { shareImage } from "../../../../src/core/sharing/share.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { Crash } from "../../../fake/store.ts";
import { ENDINGS } from "../ends.ts";
import type { Process } from "../process.ts";
import { create, volume } from "./borrower.ts";
import { lent, swapUnder, trusting } from "./lender.ts";
import {
  ALICE,
  as,
  BOB,
  BOTTOM,
  endEverywhere,
  fileOf,
  GOLDEN,
  type Hosted,
  hosted,
  next,
  stateOf,
  storeOf,
  TOP,
} from "./world.ts";

const asked = {
  instance: "web1",
  quiesce: "off",
  excludeDisks: [],
  description: null,
  properties: {},
  expiresAt: null,
  protect: false,
} as const;

const ownFiles = (on: Hosted) =>
  [...on.machine.files.keys()].filter((path) => path.startsWith(`${storeOf(BOB)}/layers/`));
const borrowed = (state: State) => Object.values(state.layers).filter((layer) => layer.borrowed !== undefined);

test("an instance of his image stands on copies, whatever he does with his files afterwards", async () => {
  const on = await lent();
  const before = JSON.stringify(on.machine.files.get(fileOf(TOP)));
  await create(as(on, BOB));
  const state = await stateOf(on, BOB);
  expect(borrowed(state)).toEqual([]);
  expect(Object.values(state.images)).toEqual([]);
  expect(Object.values(state.instances)[0]?.image).toBe(GOLDEN);
  expect(Object.values(state.volumes)[0]?.sourceImage).toBe(GOLDEN);
  expect(JSON.stringify(on.machine.files.get(fileOf(TOP)))).toBe(before);
  swapUnder(on);
  expect(as(on, BOB).host.guestRead("web1", "vda")).toEqual({ 0: `of ${TOP}` });
  expect(await examine(as(on, BOB))).toEqual([]);
});

test("so does a volume, and what is saved of it is saved of copies", async () => {
  const on = await lent();
  await volume(as(on, BOB));
  expect(borrowed(await stateOf(on, BOB))).toEqual([]);
  on.machine.folders.add("/home/bob");
  const to = { kind: "file", path: "/home/bob/copy.qcow2", replace: false } as const;
  const bob = as(on, BOB);
  await saveImage(bob, { image: "golden", disk: null, format: "qcow2", compress: false, to });
  expect(bob.host.read(to.path)).toEqual({ 0: `of ${TOP}` });
  const reads = bob.host.performed.flatMap((action) =>
    action.do === "convert" ? [[action.from, action.fromFormat]] : [],
  );
  for (const [from, format] of reads) expect(from?.startsWith(storeOf(ALICE)), from).toBe(format === "raw");
});

describe("a header that he rewrites between the look and the copy", () => {
  test.each([create, volume])("is found on the copy, and nothing is made or left", async (work) => {
    const on = await lent();
    const bob = as(on, BOB);
    const { perform } = bob.host;
    bob.host.perform = async (action, how) => {
      if (action.do === "convert") swapUnder(on);
      return perform(action, how);
    };
    await expect(work(bob)).rejects.toMatchObject({ code: "host", message: expect.stringContaining("does not stand") });
    const state = await stateOf(on, BOB);
    expect([state.layers, state.images, state.instances, state.volumes]).toEqual([{}, {}, {}, {}]);
    expect(ownFiles(on)).toEqual([]);
  });
});

describe("where its owner is trusted", () => {
  test("it stands on his files, and every verb that reads them looks at them first", async () => {
    const on = await lent();
    await trusting(as(on, BOB));
    expect(borrowed(await stateOf(on, BOB))).toMatchObject([{ file: fileOf(TOP), borrowed: { trusted: true } }]);
    expect(await examine(as(on, BOB))).toEqual([]);
    swapUnder(on);
    const snapshot = createSnapshot(as(on, BOB), { ...asked, name: "s1" });
    await expect(snapshot).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("does not stand on"),
    });
    const [disk] = Object.values((await stateOf(on, BOB)).volumes);
    const again = createVolume(as(on, BOB), {
      ...{ name: "again", source: { kind: "image", target: "golden", disk: null }, sizeBytes: null, trustOwner: true },
    });
    await expect(again).rejects.toMatchObject({ code: "host" });
    expect(disk).toBeDefined();
  });

  test("a merge above them, and the recovery of one, look at them before they read", async () => {
    const on = await lent();
    await trusting(as(on, BOB));
    for (const [name, clusters] of [["s1", [1, 2]] as const, ["s2", [3]] as const]) {
      for (const cluster of clusters) as(on, BOB).host.guestWrite("web1", "vda", cluster, name);
      await createSnapshot(as(on, BOB), { ...asked, name });
    }
    await stopInstance(as(on, BOB), "web1", { force: true, timeoutMs: 1000, wait: true });
    const commits = ({ host }: Process) => host.performed.filter((action) => action.do === "commit").length;
    const honest = structuredClone(on.machine.files.get(fileOf(BOTTOM))?.backing ?? null);
    const swap = (backing: typeof honest) => {
      const file = on.machine.files.get(fileOf(BOTTOM));
      if (file) file.backing = backing;
    };

    swapUnder(on);
    const first = as(on, BOB);
    await deleteSnapshot(first, "web1/s1", { children: false });
    expect([commits(first), first.notes.join()]).toEqual([0, expect.stringContaining("does not stand on")]);

    swap(honest);
    const killed = as(on, BOB, { crash: { at: "action", index: 2, phase: "midway" } });
    await expect(next(on, BOB, killed)).rejects.toThrow(Crash);
    expect(commits(killed)).toBe(1);
    swapUnder(on);
    const second = await next(on, BOB);
    expect([commits(second), second.notes.join()]).toEqual([0, expect.stringContaining("does not stand on")]);
    swap(honest);
    expect(commits(await next(on, BOB))).toBe(1);
    expect(await examine(as(on, BOB))).toEqual([]);
  });
});

test("root's image is stood on where it lies, but not where others could put files there", async () => {
  const on = hosted();
  await shareImage(as(on, ALICE), "golden", { users: ["bob"], everybody: false });
  await create(as(on, BOB));
  expect(borrowed(await stateOf(on, BOB))).toMatchObject([{ borrowed: { owner: "alice" } }]);
  const open = as(on, BOB);
  const { fileInfo } = open.host;
  open.host.fileInfo = async (path) => {
    const found = await fileInfo(path);
    return path === storeOf(ALICE) && found !== null ? { ...found, mode: 0o777 } : found;
  };
  await volume(open);
  expect(borrowed(await stateOf(on, BOB))).toHaveLength(1);
});

test.each(ENDINGS)(
  "%s, what was asked for is there or not, and no copy is left over",
  { timeout: 300_000 },
  async (_, ending) => {
    for (const work of [create, volume]) {
      await endEverywhere(ending, lent, BOB, work, async (on, where) => {
        await next(on, BOB);
        const state = await stateOf(on, BOB);
        expect(Object.keys(state.images), where).toEqual([]);
        const made = Object.keys(state.volumes).length;
        expect(ownFiles(on).filter((path) => path.endsWith(".qcow2")).length, where).toBe(
          Object.keys(state.layers).length,
        );
        expect(Object.keys(state.layers).length > 0, where).toBe(made > 0);
        for (const one of [...Object.values(state.instances).map(({ image }) => image)])
          expect(one, where).toBe(GOLDEN);
        expect(await examine(as(on, BOB)), where).toEqual([]);
      });
    }
  },
);
