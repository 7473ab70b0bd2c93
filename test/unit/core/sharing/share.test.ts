/** Who may read what, once an image is shared and once it is taken back. */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { setImage } from "../../../../src/core/images/set.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { collect } from "../../../../src/core/layers/collect.ts";
import type { State } from "../../../../src/core/model/state.ts";
import { findShared, sharedImages } from "../../../../src/core/sharing/find.ts";
import { type ShareWishes, shareImage, unshareImage } from "../../../../src/core/sharing/share.ts";
import { deleteVolume } from "../../../../src/core/volumes/delete.ts";
import { ENDINGS } from "../ends.ts";
import { create, volume } from "./borrower.ts";
import {
  ALICE,
  as,
  BOB,
  BOTTOM,
  CAROL,
  endEverywhere,
  fileOf,
  GOLDEN,
  HIDDEN,
  type Hosted,
  hosted,
  next,
  stateOf,
  storeOf,
  TOP,
} from "./world.ts";

const withBob = { users: ["bob"], everybody: false };
const all = { users: [], everybody: true };

/** Mode and readers of a file of alice's. */
function access({ machine }: Hosted, layer: string) {
  return {
    mode: machine.files.get(fileOf(layer))?.mode.toString(8),
    readers: machine.readers.get(fileOf(layer)) ?? [],
  };
}
const CLOSED = { mode: "400", readers: [] };
const TO_BOB = { mode: "440", readers: [BOB.uid] };

async function shared(wishes: ShareWishes = withBob): Promise<Hosted> {
  const on = hosted();
  await shareImage(as(on, ALICE), "golden", wishes);
  return on;
}

const names = async (on: Hosted, user: typeof BOB) => (await sharedImages(as(on, user))).map(({ name }) => name);

/** Nothing of it can be seen or read by anybody else. */
function requireClosed(on: Hosted, where: string): void {
  // What recovery undid may have been merged since, with what is not pointed at.
  for (const layer of [TOP, BOTTOM].filter((one) => on.machine.files.has(fileOf(one))))
    expect(access(on, layer), where).toEqual(CLOSED);
  const top = [TOP, BOTTOM].find((one) => on.machine.files.has(fileOf(one))) ?? TOP;
  expect(as(on, ALICE).host.read(fileOf(top)), where).toEqual({ 0: `of ${TOP}` });
  const left = [...on.machine.files.keys(), ...on.machine.folders].filter((path) =>
    path.startsWith(`${storeOf(ALICE)}/shares/`),
  );
  expect(left, where).toEqual([]);
}

describe("image share", () => {
  test("opens exactly the files of the chain, and tells whom it is shared with", async () => {
    const on = await shared();
    expect(access(on, TOP)).toEqual(TO_BOB);
    expect(access(on, BOTTOM)).toEqual(TO_BOB);
    expect(access(on, HIDDEN)).toEqual(CLOSED);
    expect(await names(on, BOB)).toEqual(["golden"]);
    expect(await names(on, CAROL)).toEqual([]);
    expect((await stateOf(on, ALICE)).images[GOLDEN]).toMatchObject({
      visibility: "shared",
      sharedWith: [{ name: "bob" }],
    });
    expect(await examine(as(on, ALICE))).toEqual([]);
  });

  test("with everybody is seen by everybody, and keeps those who were named", async () => {
    const on = await shared();
    await shareImage(as(on, ALICE), "golden", all);
    expect(access(on, TOP)).toEqual({ mode: "444", readers: [BOB.uid] });
    expect(await names(on, CAROL)).toEqual(["golden"]);
    expect((await stateOf(on, ALICE)).images[GOLDEN]?.visibility).toBe("public");
  });

  test("does not tell others with whom it is shared, nor what it was made from", async () => {
    const [image] = await sharedImages(as(await shared(), BOB));
    expect(Object.keys(image ?? {})).not.toContain("sharedWith");
    expect(Object.keys(image ?? {})).not.toContain("source");
  });

  test("keeps from nobody what he understands, where another shares what a newer estrato has written", async () => {
    const on = await shared();
    const file = on.machine.files.get(`${storeOf(ALICE)}/shares/${GOLDEN}.json`);
    const other = `${storeOf(ALICE)}/shares/img-0000000000000000f.json`;
    on.machine.files.set(other, { ...structuredClone(file), text: '{"version":2}' } as never);
    on.machine.readers.set(other, [BOB.uid]);
    expect(await names(on, BOB)).toEqual(["golden"]);
    expect((await findShared(as(on, BOB), "golden")).id).toBe(GOLDEN);
    await expect(findShared(as(on, BOB), "img-0000000000000000f")).rejects.toMatchObject({
      code: "host",
      message: "image img-0000000000000000f: it was shared by a newer estrato",
    });
  });

  test("changes nothing in a dry run", async () => {
    const on = hosted();
    await shareImage(as(on, ALICE, { dryRun: true }), "golden", withBob);
    requireClosed(on, "dry run");
    expect((await stateOf(on, ALICE)).images[GOLDEN]?.visibility).toBe("private");
  });

  const refusals: [string, (state: State) => void, { code: string; message: RegExp }][] = [
    [
      "an encrypted one",
      (state) => void Object.assign(state.layers[BOTTOM] as object, { secret: "x" }),
      { code: "host", message: /it is encrypted/ },
    ],
    [
      "one on a file that is not in the store",
      (state) => void Object.assign(state.layers[BOTTOM] as object, { foreign: { uid: 1, gid: 1, mode: 0o644 } }),
      { code: "host", message: /not in the store/ },
    ],
    [
      "one of a guest with a TPM",
      (state) => void Object.assign(state.images[GOLDEN] as object, { tpm: "x.tpm" }),
      { code: "host", message: /TPM/ },
    ],
    [
      "a shelved one",
      (state) => void Object.assign(state.images[GOLDEN] as object, { type: "shelved" }),
      { code: "conflict", message: /shelved/ },
    ],
  ];
  test.each(refusals)("refuses %s", async (_, change, told) => {
    const on = hosted(change);
    await expect(shareImage(as(on, ALICE), "golden", withBob)).rejects.toMatchObject(told);
    requireClosed(on, "refused");
  });

  test("refuses a user who is not there, and a folder on the way that is not ours to open, with the line that opens it", async () => {
    const on = hosted();
    await expect(shareImage(as(on, ALICE), "golden", { users: ["dora"], everybody: false })).rejects.toMatchObject({
      code: "not_found",
    });
    on.machine.closed.add("/home/alice");
    await expect(shareImage(as(on, ALICE), "golden", withBob)).rejects.toMatchObject({
      code: "host",
      hint: "Open the way: setfacl -m u:bob:x /home/alice.",
    });
    requireClosed(on, "refused");
  });

  test("that fails halfway leaves nothing open", async () => {
    const on = hosted();
    const world = as(on, ALICE);
    world.host.failNext("write-file", new Error("no space"));
    await expect(shareImage(world, "golden", withBob)).rejects.toThrow("no space");
    requireClosed(on, "failed");
    expect((await stateOf(on, ALICE)).images[GOLDEN]?.visibility).toBe("private");
  });

  test.each(ENDINGS)("%s, it is done or undone", { timeout: 600_000 }, async (_, ending) => {
    await endEverywhere(
      ending,
      async () => hosted(),
      ALICE,
      (world) => shareImage(world, "golden", withBob),
      async (on, where) => {
        await next(on, ALICE);
        const isShared = (await stateOf(on, ALICE)).images[GOLDEN]?.visibility === "shared";
        if (isShared) expect([access(on, TOP), access(on, BOTTOM)], where).toEqual([TO_BOB, TO_BOB]);
        else requireClosed(on, where);
        expect(await examine(as(on, ALICE)), where).toEqual([]);
      },
    );
  });

  test("keeps the layers where and as they are, though nothing else would", async () => {
    // Two layers without pointers below golden, one of which could be merged.
    const on = await shared();
    const world = as(on, ALICE);
    await collect(world);
    expect(world.notes).toEqual([]);
    expect(Object.keys((await stateOf(on, ALICE)).layers).sort()).toEqual([BOTTOM, TOP, HIDDEN]);
    await unshareImage(as(on, ALICE), "golden", []);
    expect(Object.keys((await stateOf(on, ALICE)).layers).sort()).toEqual([TOP, HIDDEN]); // merged as soon as it may be
  });

  test("a new name is told to others too", async () => {
    const on = await shared();
    const change = {
      name: "silver",
      properties: {},
      withoutProperties: [],
      minDiskBytes: null,
      minRamBytes: null,
      protect: null,
    };
    await setImage(as(on, ALICE), "golden", change);
    expect(await names(on, BOB)).toEqual(["silver"]);
  });
});

describe("image unshare", () => {
  test("closes everything again", async () => {
    const on = hosted((state) => {
      const golden = state.images[GOLDEN] as State["images"][string];
      const disks = [{ device: "vda", layer: BOTTOM, sizeBytes: 1048576 }];
      state.images["img-00000000000000fff"] = { ...golden, id: "img-00000000000000fff", name: "base", disks };
    });
    await shareImage(as(on, ALICE), "golden", { users: ["bob"], everybody: true });
    await unshareImage(as(on, ALICE), "golden", []);
    for (const layer of [TOP, BOTTOM]) expect(access(on, layer)).toEqual(CLOSED);
    expect(await names(on, BOB)).toEqual([]);
    expect((await stateOf(on, ALICE)).images[GOLDEN]?.visibility).toBe("private");
    const shares = [...on.machine.files.keys(), ...on.machine.folders].filter((path) =>
      path.startsWith(`${storeOf(ALICE)}/shares/`),
    );
    expect(shares).toEqual([]);
    expect(await examine(as(on, ALICE))).toEqual([]);
  });

  test("from one user leaves the others theirs", async () => {
    const on = await shared({ users: ["bob", "carol"], everybody: false });
    await unshareImage(as(on, ALICE), "golden", ["bob"]);
    expect(await names(on, BOB)).toEqual([]);
    expect(await names(on, CAROL)).toEqual(["golden"]);
    expect(access(on, BOTTOM)).toEqual({ mode: "440", readers: [CAROL.uid] });
  });

  test("keeps readable what another shared image stands on", async () => {
    const on = hosted((state) => {
      const golden = state.images[GOLDEN] as State["images"][string];
      state.images["img-00000000000000fff"] = {
        ...golden,
        id: "img-00000000000000fff",
        name: "base",
        disks: [{ device: "vda", layer: BOTTOM, sizeBytes: 1048576 }],
      };
    });
    await shareImage(as(on, ALICE), "golden", withBob);
    await shareImage(as(on, ALICE), "base", { users: ["carol"], everybody: false });
    expect(access(on, BOTTOM).readers).toEqual([BOB.uid, CAROL.uid]);
    await unshareImage(as(on, ALICE), "golden", []);
    expect(access(on, BOTTOM)).toEqual({ mode: "440", readers: [CAROL.uid] });
    expect(access(on, TOP)).toEqual(CLOSED);
  });

  test("is refused while somebody stands on it, naming him, and so is the deletion; nothing changes", async () => {
    const on = await shared();
    await create(as(on, BOB));
    await volume(as(on, BOB));
    const before = JSON.stringify([...on.machine.readers]);
    for (const attempt of [
      () => unshareImage(as(on, ALICE), "golden", []),
      () => deleteImage(as(on, ALICE), "golden"),
    ]) {
      await expect(attempt()).rejects.toMatchObject({
        code: "conflict",
        message: "image golden: bob (2 disks) still stands on it",
      });
    }
    expect(JSON.stringify([...on.machine.readers])).toBe(before);
    await deleteInstance(as(on, BOB), "web1", { keepVolumes: false });
    await deleteVolume(as(on, BOB), "data1");
    await deleteImage(as(on, ALICE), "golden");
    expect((await stateOf(on, ALICE)).images[GOLDEN]).toBeUndefined();
  });

  test("names him also where it is everybody's, and who has left the host by his number", async () => {
    const on = await shared(all);
    await create(as(on, BOB));
    // As the kernel has it
    for (const [path, file] of on.machine.files) if (path.includes("/public/")) file.uid = BOB.uid;
    const refused = (says: string) =>
      expect(unshareImage(as(on, ALICE), "golden", [])).rejects.toMatchObject({ code: "conflict", message: says });
    await refused("image golden: bob (1 disk) still stands on it");
    on.machine.users = on.machine.users.filter(({ name }) => name !== "bob");
    await refused(`image golden: user ${BOB.uid} (1 disk) still stands on it`);
  });

  test("meets one who begins to use it in between: one of the two gives way", async () => {
    const on = await shared();
    const world = as(on, ALICE);
    const { perform } = world.host;
    world.host.perform = async (action, options) => {
      if (action.do === "remove-folder" && action.path.endsWith(String(BOB.uid))) {
        world.host.perform = perform;
        await create(as(on, BOB)); // after alice has looked
      }
      return perform(action, options);
    };
    await expect(unshareImage(world, "golden", [])).rejects.toMatchObject({ code: "conflict" });
    expect([access(on, TOP), access(on, BOTTOM)]).toEqual([TO_BOB, TO_BOB]);
    expect(await examine(as(on, ALICE))).toEqual([]);
    expect(await examine(as(on, BOB))).toEqual([]);
  });

  test.each(ENDINGS)("%s, it is done or undone", { timeout: 600_000 }, async (_, ending) => {
    await endEverywhere(
      ending,
      () => shared({ users: ["bob", "carol"], everybody: false }),
      ALICE,
      (world) => unshareImage(world, "golden", []),
      async (on, where) => {
        await next(on, ALICE);
        const { images, layers } = await stateOf(on, ALICE);
        const readers = [BOB.uid, CAROL.uid];
        if (images[GOLDEN]?.visibility === "shared")
          expect(access(on, BOTTOM), where).toEqual({ mode: "440", readers });
        else expect(Object.keys(layers), where).toHaveLength(2);
        expect(await examine(as(on, ALICE)), where).toEqual([]);
      },
    );
  });
});

describe("doctor", () => {
  test("finds and mends a file that was closed by hand, an entry that is gone, and one of an image that is private", async () => {
    const on = await shared();
    const file = on.machine.files.get(fileOf(TOP));
    if (file) file.mode = 0o400;
    on.machine.files.delete(`${storeOf(ALICE)}/shares/${GOLDEN}.json`);
    as(on, ALICE).host.addFile(`${storeOf(ALICE)}/shares/img-00000000000000def.json`, { text: "{}", format: "raw" });
    const found = (await examine(as(on, ALICE))).map(({ problem }) => problem);
    expect(found).toEqual([
      expect.stringContaining("its mode is 0400, and should be 0440"),
      expect.stringContaining("what others are told of it is missing"),
      expect.stringContaining("an image that is not shared"),
    ]);
    await repair(as(on, ALICE));
    expect(await examine(as(on, ALICE))).toEqual([]);
    expect(access(on, TOP)).toEqual(TO_BOB);
  });
});
