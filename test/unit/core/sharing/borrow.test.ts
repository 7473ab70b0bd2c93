/** Using somebody else's image: nothing of his is copied, changed or trusted. */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { depth } from "../../../../src/core/graph/references.ts";
import { createImage } from "../../../../src/core/images/create.ts";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { saveImage } from "../../../../src/core/images/save.ts";
import { setImage } from "../../../../src/core/images/set.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import { shareImage } from "../../../../src/core/sharing/share.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
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
  type Hosted,
  hosted,
  next,
  stateOf,
  storeOf,
  TOP,
} from "./world.ts";

async function shared(wishes = { users: ["bob"], everybody: false }): Promise<Hosted> {
  const on = hosted();
  await shareImage(as(on, ALICE), "golden", wishes);
  return on;
}

const entry = `${storeOf(ALICE)}/shares/${GOLDEN}.json`;
const marks = ({ machine }: Hosted) =>
  [...machine.files.keys()].filter((path) => path.startsWith(`${storeOf(ALICE)}/shares/${GOLDEN}/`));
const snapshot = {
  instance: "web1",
  name: "s1",
  quiesce: "off",
  excludeDisks: [],
  description: null,
  properties: {},
  expiresAt: null,
  protect: false,
} as const;

/** Every file of alice's, as it is: content, mode, readers. */
function hers({ machine }: Hosted): string {
  const files = [...machine.files].filter(([path]) => path.startsWith(`${storeOf(ALICE)}/layers/`));
  return JSON.stringify(
    files.map(([path, file]) => [path, { ...file, clusters: [...file.clusters] }, machine.readers.get(path)]),
  );
}

describe("an instance on somebody else's image", () => {
  test("stands on his file, says so to him, and leaves it alone; when it goes, so does the word", async () => {
    const on = await shared();
    const before = hers(on);
    await create(as(on, BOB));
    const { layers, volumes } = await stateOf(on, BOB);
    const head = layers[Object.values(volumes)[0]?.head ?? ""];
    const loan = layers[head?.parent ?? ""];
    expect(loan).toMatchObject({
      file: fileOf(TOP),
      parent: null,
      frozen: true,
      borrowed: { owner: "alice", depth: 2, name: "golden" },
    });
    expect(marks(on)).toEqual([loan?.borrowed?.marker]);
    const bob = as(on, BOB);
    expect(bob.host.guestRead("web1", "vda")).toEqual({ 0: `of ${TOP}` });
    bob.host.guestWrite("web1", "vda", 1, "bob's");
    await createSnapshot(as(on, BOB), snapshot);
    await deleteSnapshot(as(on, BOB), "web1/s1", { children: false });
    expect(await examine(as(on, BOB))).toEqual([]);
    expect(hers(on)).toBe(before);
    await deleteInstance(as(on, BOB), "web1", { keepVolumes: false });
    expect(Object.keys((await stateOf(on, BOB)).layers)).toEqual([]);
    expect(marks(on)).toEqual([]);
    expect(hers(on)).toBe(before);
  });

  test("boots by UEFI where that was a UEFI guest's, with variables of its own", async () => {
    const on = hosted((state) => void Object.assign(state.images[GOLDEN] as object, { uefi: true, nvram: "x.fd" }));
    await shareImage(as(on, ALICE), "golden", { users: ["bob"], everybody: false });
    const bob = as(on, BOB);
    await create(bob);
    const definition = (await bob.host.domainStatus("web1"))?.inactive;
    expect(definition?.firmware).toBe(true);
    expect(definition?.nvram?.startsWith(`${storeOf(BOB)}/layers/`)).toBe(true);
    expect(bob.notes).toContainEqual(expect.stringContaining("variables of its UEFI firmware stay with alice"));
  });

  test("counts his files for the length of its chain", async () => {
    const on = await shared();
    await create(as(on, BOB));
    const state = await stateOf(on, BOB);
    expect(depth(state, Object.values(state.volumes)[0]?.head ?? "")).toBe(3);
    on.machine.capabilities = { ...on.machine.capabilities, maxChain: 2 };
    await expect(volume(as(on, BOB))).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("3 layers high"),
    });
  });

  test("and a second one stand each on a layer of its own, and hold him to it until both are gone", async () => {
    const on = await shared();
    await create(as(on, BOB));
    await volume(as(on, BOB));
    expect(marks(on)).toHaveLength(2);
    expect(await examine(as(on, BOB))).toEqual([]);
    await deleteInstance(as(on, BOB), "web1", { keepVolumes: false });
    expect(marks(on)).toHaveLength(1);
  });

  test("is not for those it is not shared with, nor for the system's libvirt, which would take the file away", async () => {
    const on = await shared();
    await expect(create(as(on, CAROL))).rejects.toMatchObject({ code: "not_found" });
    on.machine.capabilities = { ...on.machine.capabilities, qemuUser: { uid: 64055, gid: 64055 } };
    await expect(create(as(on, BOB))).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("system's libvirt"),
    });
    expect(marks(on)).toEqual([]);
  });

  test("whose word outlived all that remembers it is let go of by doctor; another store's word stays", async () => {
    const on = await shared();
    await create(as(on, BOB));
    const [word = ""] = marks(on);
    await deleteInstance(as(on, BOB), "web1", { keepVolumes: false });
    const others = word.replace(/[^/]+$/, "11111111-2222-4333-8444-555555555555.lay-00000000000000001");
    for (const path of [word, others]) await as(on, BOB).host.perform({ do: "mark-use", path, on: true });
    expect(await examine(as(on, BOB))).toMatchObject([{ subject: word, problem: expect.stringContaining("alice") }]);
    expect(await repair(as(on, BOB))).toMatchObject([{ subject: word, result: "mended" }]);
    expect(marks(on)).toEqual([others]);
    expect(await examine(as(on, BOB))).toEqual([]);
  });

  test("is found by OWNER/NAME and by id, and one's own of the same name comes first", async () => {
    const on = await shared();
    await create(as(on, BOB), "alice/golden");
    const own = { name: "golden", properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
    await createImage(as(on, BOB), own, { kind: "instance", instance: "web1", excludeDisks: [] });
    await deleteImage(as(on, BOB), "golden"); // bob's
    expect((await stateOf(on, ALICE)).images[GOLDEN]).toBeDefined();
    await deleteInstance(as(on, BOB), "web1", { keepVolumes: false });
    await create(as(on, BOB), GOLDEN);
  });

  test.each(ENDINGS)(
    "%s, it is there or not, and so is the word; what is there holds the lender to it",
    async (_, ending) => {
      for (const work of [create, volume]) {
        await endEverywhere(
          ending,
          shared,
          BOB,
          (world) => work(world),
          async (on, where) => {
            await next(on, BOB);
            const layers = Object.values((await stateOf(on, BOB)).layers);
            const words = layers.flatMap(({ borrowed }) => borrowed?.marker ?? []);
            expect(marks(on).sort(), where).toEqual(words.sort());
            expect(await examine(as(on, BOB)), where).toEqual([]);
          },
        );
      }
    },
  );

  test.each(ENDINGS)("and its deletion, %s, leaves no word behind", { timeout: 600_000 }, async (_, ending) => {
    const prepare = async () => {
      const on = await shared();
      await create(as(on, BOB));
      return on;
    };
    const remove = (world: Parameters<typeof create>[0]) => deleteInstance(world, "web1", { keepVolumes: false });
    await endEverywhere(ending, prepare, BOB, remove, async (on, where) => {
      await next(on, BOB);
      const { layers } = await stateOf(on, BOB);
      expect(marks(on), where).toHaveLength(
        Object.values(layers).filter(({ borrowed }) => borrowed !== undefined).length,
      );
      expect(await examine(as(on, BOB)), where).toEqual([]);
    });
  });
});

test("somebody else's image can be saved, and neither deleted, changed nor passed on", async () => {
  const on = await shared();
  on.machine.folders.add("/home/bob");
  const to = { kind: "file", path: "/home/bob/copy.qcow2", replace: false } as const;
  await saveImage(as(on, BOB), { image: "golden", disk: null, format: "qcow2", compress: false, to });
  expect(as(on, BOB).host.read(to.path)).toEqual({ 0: `of ${TOP}` });
  const change = {
    name: "x",
    properties: {},
    withoutProperties: [],
    minDiskBytes: null,
    minRamBytes: null,
    protect: null,
  };
  const told = {
    code: "conflict",
    message: expect.stringMatching(/it is alice's, who alone can (delete|change|share) it/),
  };
  await expect(deleteImage(as(on, BOB), "golden")).rejects.toMatchObject(told);
  await expect(setImage(as(on, BOB), "golden", change)).rejects.toMatchObject(told);
  await expect(shareImage(as(on, BOB), "golden", { users: ["carol"], everybody: false })).rejects.toMatchObject(told);
  await create(as(on, BOB));
  const own = { name: "own", properties: {}, minDiskBytes: null, minRamBytes: null, protect: false };
  await createImage(as(on, BOB), own, { kind: "instance", instance: "web1", excludeDisks: [] });
  await expect(shareImage(as(on, BOB), "own", { users: ["carol"], everybody: false })).rejects.toMatchObject({
    code: "host",
    message: expect.stringContaining("files of alice's"),
  });
});

describe("what a lender says is not believed", () => {
  const lie = (on: Hosted, change: (told: { name: string; disks: { files: string[] }[] }) => void) => {
    const file = on.machine.files.get(entry);
    const told = JSON.parse(file?.text ?? "") as Parameters<typeof change>[0];
    change(told);
    if (file) file.text = JSON.stringify(told);
  };
  const secret = "/home/bob/secret.qcow2";

  test("where it names a file outside his store", async () => {
    const on = await shared();
    as(on, BOB).host.addFile(secret, { uid: BOB.uid });
    for (const name of [secret, `${storeOf(ALICE)}/layers/../../../../../bob/secret.qcow2`]) {
      lie(on, (told) => void Object.assign(told, { disks: [{ ...told.disks[0], files: [name] }] }));
      await expect(create(as(on, BOB))).rejects.toMatchObject({
        code: "host",
        message: expect.stringContaining("not in alice's store"),
      });
    }
    expect(marks(on)).toEqual([]);
  });

  test("where a file in his store is not his", async () => {
    const on = await shared();
    const file = on.machine.files.get(fileOf(BOTTOM));
    if (file) file.uid = BOB.uid;
    await expect(create(as(on, BOB))).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("does not belong to alice"),
    });
  });

  test("where a header names another file than the next", async () => {
    const on = await shared();
    as(on, BOB).host.addFile(secret, { uid: BOB.uid });
    const file = on.machine.files.get(fileOf(TOP));
    if (file) file.backing = { path: secret, format: "qcow2" };
    await expect(create(as(on, BOB))).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("does not stand on"),
    });
  });

  test("where it is no entry at all, or one under another's name", async () => {
    const on = await shared();
    for (const text of ["", "null", "[]", "{", '{"version":1}']) {
      const file = on.machine.files.get(entry);
      if (file) file.text = text;
      await expect(create(as(on, BOB)), text).rejects.toMatchObject({ code: "not_found" });
    }
    const other = await shared();
    lie(other, (told) => void Object.assign(told, { name: "../x" }));
    await expect(create(as(other, BOB))).rejects.toMatchObject({ code: "not_found" });
  });
});

test("a lender who puts another file under what is borrowed finds no guest that starts on it, and doctor says so", async () => {
  const on = await shared();
  await create(as(on, BOB));
  await stopInstance(as(on, BOB), "web1", { force: true, timeoutMs: 1000, wait: true });
  as(on, BOB).host.addFile("/home/bob/secret.qcow2", { uid: BOB.uid });
  const file = on.machine.files.get(fileOf(BOTTOM));
  if (file) file.backing = { path: "/home/bob/secret.qcow2", format: "qcow2" };
  await expect(startInstance(as(on, BOB), "web1")).rejects.toMatchObject({ code: "host" });
  expect((await examine(as(on, BOB)))[0]?.problem).toContain("does not stand on");
});

test("doctor says what can no longer be read, and tells a lender again who has forgotten", async () => {
  const on = await shared();
  await create(as(on, BOB));
  for (const mark of marks(on)) on.machine.files.delete(mark);
  const [found] = await examine(as(on, BOB));
  expect(found?.problem).toContain("alice, whose it is, does not know that instance web1 vda needs it");
  const locks = await as(on, BOB).store.lock(["x"], 0);
  await found?.mending?.mend(as(on, BOB), locks);
  expect(marks(on)).toHaveLength(1);
  expect(await examine(as(on, BOB))).toEqual([]);
});
