import { describe, expect, test } from "vitest";
import { createImageFromFile } from "../../../../src/core/images/create-from-file.ts";
import { createImageFromInstance } from "../../../../src/core/images/create-from-instance.ts";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { type SetImageOptions, setImage } from "../../../../src/core/images/set.ts";
import { listImages } from "../../../../src/core/images/view.ts";
import type { Image } from "../../../../src/core/model/state.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { readUsage } from "../../../../src/core/usage.ts";
import { CLUSTER_BYTES } from "../../../fake/host.ts";
import { ENDINGS } from "../ends.ts";
import {
  type Bed,
  bed,
  CONTENT,
  command,
  endEverywhere,
  everything,
  imageNamed,
  nextCommand,
  orphansAndGaps,
  SOURCE,
} from "./world.ts";

const DISK = "/disks/web1.qcow2";

async function withImages(...names: string[]): Promise<Bed> {
  const on = bed();
  const world = command(on);
  world.host.addFile(SOURCE, { content: CONTENT });
  for (const name of names) {
    await createImageFromFile(world, { ...imageNamed(name), file: SOURCE, diskFormat: null });
    on.clock.advance(1000);
  }
  return on;
}

const nothing: SetImageOptions = {
  name: null,
  properties: {},
  withoutProperties: [],
  minDiskBytes: null,
  minRamBytes: null,
  protect: null,
};

async function unchanged(on: Bed, work: Promise<unknown>) {
  const before = everything(on);
  const error = await work.catch((thrown: unknown) => thrown);
  expect(everything(on)).toBe(before);
  return error;
}

describe("image set", () => {
  test("changes what an image is called and demands", async () => {
    const on = await withImages("golden");
    const changes = { ...nothing, name: "silver", properties: { os: "debian", x: "1" }, minRamBytes: 5, protect: true };
    await setImage(command(on), "golden", changes);
    const image = (await setImage(command(on), "silver", { ...nothing, withoutProperties: ["x"] })) as Image;
    expect(image).toMatchObject({ name: "silver", minRamBytes: 5, protected: true, properties: { os: "debian" } });
    expect((await command(on).store.read()).images[image.id]).toEqual(image);
  });

  test("does not give an image another's name, or one that is none", async () => {
    const on = await withImages("golden", "silver");
    const rename = (name: string) => unchanged(on, setImage(command(on), "golden", { ...nothing, name }));
    expect(await rename("silver")).toMatchObject({ code: "conflict" });
    expect(await rename("a/b")).toMatchObject({ code: "usage" });
    const dry = setImage(command(on, { dryRun: true }), "golden", { ...nothing, name: "silver" });
    expect(await unchanged(on, dry)).toMatchObject({ code: "conflict" });
  });

  test("cannot remove a property that is not there", async () => {
    const on = await withImages("golden");
    const work = setImage(command(on), "golden", { ...nothing, properties: { a: "b" }, withoutProperties: ["os"] });
    expect(await unchanged(on, work)).toMatchObject({ code: "not_found" });
  });

  test("needs an image", async () => {
    const on = await withImages("golden");
    expect(await unchanged(on, setImage(command(on), "gold", nothing))).toMatchObject({ code: "not_found" });
  });
});

describe("image list", () => {
  test("shows the oldest first, and can be told whose and of which type", async () => {
    const on = await withImages("b", "a");
    const state = await command(on).store.read();
    expect(listImages(state, { owner: null, type: null }).map((image) => image.name)).toEqual(["b", "a"]);
    expect(listImages(state, { owner: "ana", type: "base" })).toHaveLength(2);
    expect(listImages(state, { owner: "bea", type: null })).toEqual([]);
    expect(listImages(state, { owner: null, type: "snapshot" })).toEqual([]);
    expect(listImages(state, { owner: null, type: null })[0]).toMatchObject({
      status: "active",
      sizeBytes: 16 * CLUSTER_BYTES,
      disks: [{ device: "vda", sizeBytes: 16 * CLUSTER_BYTES }],
    });
  });
});

describe("image delete", () => {
  test("frees the data that was only the image's", async () => {
    const on = await withImages("golden", "silver");
    await deleteImage(command(on), "golden");
    const world = await nextCommand(on);
    const { images, layers } = await world.store.read();
    expect(Object.values(images).map((image) => image.name)).toEqual(["silver"]);
    expect(Object.keys(layers)).toHaveLength(1);
    expect(await orphansAndGaps(world)).toEqual([]);
  });

  test("says in a dry run what it would free, and changes nothing", async () => {
    const on = await withImages("golden");
    const before = everything(on);
    const plan = (await deleteImage(command(on, { dryRun: true }), "golden")) as PlanView;
    expect(plan.freesBytes).toBe(2 * CLUSTER_BYTES);
    expect(everything(on)).toBe(before);
  });

  test("is refused for a protected and for a shelved image", async () => {
    const on = await withImages("golden", "web1-shelved");
    await setImage(command(on), "golden", { ...nothing, protect: true });
    await command(on).store.update((draft) => {
      const shelved = Object.values(draft.images).find((image) => image.name === "web1-shelved");
      if (shelved !== undefined) shelved.type = "shelved";
    });
    expect(await unchanged(on, deleteImage(command(on), "golden"))).toMatchObject({ code: "conflict" });
    expect(await unchanged(on, deleteImage(command(on), "web1-shelved"))).toMatchObject({ code: "conflict" });
    expect(await unchanged(on, deleteImage(command(on), "gone"))).toMatchObject({ code: "not_found" });
  });

  test("leaves the data to the instance that stands on it, and says so", async () => {
    const on = bed();
    const { host } = command(on);
    host.addFile(DISK, { content: CONTENT });
    host.addDomain({ name: "web1", disks: [{ device: "vda", path: DISK, format: "qcow2" }] });
    await createImageFromInstance(command(on), { ...imageNamed("golden"), instance: "web1", excludeDisks: [] });
    const world = command(on);
    await deleteImage(world, "golden");
    expect(world.notes).toContain(
      "image golden: instance web1 vda still stands on it; its data goes with the last of them",
    );
    expect(command(on).host.guestRead("web1", "vda")).toEqual(CONTENT);
  });

  test.each(ENDINGS)("%s, it is done by the next command", { timeout: 600_000 }, async (_, ending) => {
    await endEverywhere(
      ending,
      () => withImages("golden"),
      (world) => deleteImage(world, "golden"),
      async (world) => {
        const { images, layers } = await world.store.read();
        expect(Object.keys(layers)).toHaveLength(Object.keys(images).length);
        expect(await orphansAndGaps(world)).toEqual([]);
        expect(await world.store.journal.list()).toEqual([]);
      },
    );
  });
});

describe("usage", () => {
  test("counts what each kind points at, and what deleting it would free", async () => {
    const on = await withImages("golden", "silver");
    const { kinds, hidden } = await readUsage(command(on));
    const images = kinds.find((row) => row.kind === "images");
    expect(images).toEqual({
      kind: "images",
      count: 2,
      virtualBytes: 32 * CLUSTER_BYTES,
      allocatedBytes: 4 * CLUSTER_BYTES,
      exclusiveBytes: 4 * CLUSTER_BYTES,
    });
    expect(kinds.find((row) => row.kind === "total")).toMatchObject({ count: 2, allocatedBytes: 4 * CLUSTER_BYTES });
    expect(hidden).toEqual([]);
  });

  test("names the layers that wait to be collected, and for whom", async () => {
    const on = await withImages("golden");
    await command(on).store.update((draft) => {
      draft.images = {};
      const layer = Object.values(draft.layers)[0];
      if (layer !== undefined) layer.busy = "op-00000000000000001";
    });
    const { kinds, hidden } = await readUsage(command(on));
    expect(hidden).toMatchObject([{ fate: "deferred", allocatedBytes: 2 * CLUSTER_BYTES }]);
    expect(kinds.find((row) => row.kind === "hidden")).toMatchObject({ count: 1, allocatedBytes: 2 * CLUSTER_BYTES });
  });
});
