import { describe, expect, test } from "vitest";
import { type CreateFromFileOptions, createImageFromFile } from "../../../../src/core/images/create-from-file.ts";
import type { Image } from "../../../../src/core/model/state.ts";
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
  orphansAndGaps,
  SOURCE,
} from "./world.ts";

async function withFile(file: Record<string, unknown> = {}): Promise<Bed> {
  const on = bed();
  command(on).host.addFile(SOURCE, { content: CONTENT, ...file });
  return on;
}

function fromFile(changes: Partial<CreateFromFileOptions> = {}): CreateFromFileOptions {
  return { ...imageNamed("debian12"), file: SOURCE, diskFormat: null, ...changes };
}

async function refused(on: Bed, options: CreateFromFileOptions) {
  const before = everything(on);
  const error = await createImageFromFile(command(on), options).catch((thrown: unknown) => thrown);
  expect(everything(on)).toBe(before);
  return error;
}

describe("an image from a file", () => {
  test("is a frozen, self-standing layer of ours with the file's content", async () => {
    const on = await withFile();
    const world = command(on);
    const image = (await createImageFromFile(world, fromFile({ protect: true, minRamBytes: 1024 }))) as Image;
    const { layers, images } = await world.store.read();
    const layer = layers[image.disks[0]?.layer ?? ""];
    expect(images[image.id]).toEqual(image);
    expect(image).toMatchObject({ type: "base", owner: "ana", protected: true, minRamBytes: 1024 });
    expect(image.minDiskBytes).toBe(16 * CLUSTER_BYTES);
    expect(layer).toMatchObject({ frozen: true, parent: null, format: "qcow2", sizeBytes: 16 * CLUSTER_BYTES });
    expect(on.machine.files.get(layer?.file ?? "")?.mode).toBe(0o400);
    expect(world.host.read(layer?.file ?? "")).toEqual(CONTENT);
    expect(world.host.read(SOURCE)).toEqual(CONTENT);
  });

  test("may be a raw disk where that is said", async () => {
    const on = await withFile({ format: "raw" });
    const image = (await createImageFromFile(command(on), fromFile({ diskFormat: "raw" }))) as Image;
    expect(image.disks).toHaveLength(1);
  });

  test("is never guessed to be raw", async () => {
    expect(await refused(await withFile({ format: "raw" }), fromFile())).toMatchObject({ code: "host" });
  });

  test("may not name a backing file", async () => {
    const on = await withFile({ backing: { path: "/etc/shadow", format: "raw" } });
    expect(await refused(on, fromFile())).toMatchObject({ code: "host" });
  });

  test("may not be cut off", async () => {
    const on = await withFile({ faults: 3 });
    expect(await refused(on, fromFile())).toMatchObject({ code: "host", message: expect.stringContaining("3 faults") });
  });

  test("must be there", async () => {
    const gone = fromFile({ file: "/tmp/no-such-file" });
    expect(await refused(await withFile(), gone)).toMatchObject({ code: "not_found" });
  });

  test("must fit", async () => {
    const on = await withFile();
    on.machine.freeBytes = 1024;
    expect(await refused(on, fromFile())).toMatchObject({ code: "host", message: expect.stringContaining("needs") });
  });

  test.each(["", "a/b", "-rf", "a\nb", "x".repeat(300), ".."])("is not called %j", async (name) => {
    expect(await refused(await withFile(), fromFile({ name }))).toMatchObject({ code: "usage" });
  });

  test("is not called what another is called", async () => {
    const on = await withFile();
    await createImageFromFile(command(on), fromFile());
    expect(await refused(on, fromFile())).toMatchObject({ code: "conflict" });
  });

  test("is not kept where the file changed while it was copied", async () => {
    const on = await withFile();
    const before = on.disk.state;
    const world = command(on);
    const { perform } = world.host;
    world.host.perform = async (action, how) => {
      await perform(action, how);
      if (action.do === "convert") on.machine.files.get(SOURCE)?.clusters.set(5, "late");
    };
    const error = await createImageFromFile(world, fromFile()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "conflict", message: expect.stringContaining("changed while it was copied") });
    expect(on.disk.state).toBe(before);
    expect(await orphansAndGaps(world)).toEqual([]);
    expect(on.disk.journal.size).toBe(0);
  });

  test("is not kept where the copy is smaller than it should be", async () => {
    const on = await withFile();
    const world = command(on);
    const { perform } = world.host;
    world.host.perform = async (action, how) => {
      await perform(action, how);
      const copy = action.do === "convert" ? on.machine.files.get(action.to) : undefined;
      if (copy !== undefined) copy.sizeBytes = CLUSTER_BYTES;
    };
    const error = await createImageFromFile(world, fromFile()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "integrity" });
    expect(await orphansAndGaps(world)).toEqual([]);
  });

  test("of a name that another command is making waits for that one, or is refused", async () => {
    const on = await withFile();
    const results = await Promise.allSettled([
      createImageFromFile(command(on), fromFile()),
      createImageFromFile(command(on), fromFile()),
    ]);
    expect(results.map((result) => result.status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(results.find((result) => result.status === "rejected")).toMatchObject({ reason: { code: "conflict" } });
  });

  test("is not kept where the copy is interrupted, and a note says so", async () => {
    const on = await withFile();
    const before = on.disk.state;
    const interruption = new AbortController();
    const world = command(on, { signal: interruption.signal });
    const { perform } = world.host;
    world.host.perform = async (action, how) => {
      if (action.do === "convert") interruption.abort();
      await perform(action, how);
    };
    await expect(createImageFromFile(world, fromFile())).rejects.toMatchObject({ code: "interrupted" });
    expect(world.notes).toContain("interrupted: undone, nothing has changed");
    expect(on.disk.state).toBe(before);
    expect(await orphansAndGaps(world)).toEqual([]);
  });

  test("shows its plan, and changes nothing, in a dry run", async () => {
    const on = await withFile();
    const before = everything(on);
    const plan = await createImageFromFile(command(on, { dryRun: true }), fromFile());
    expect(JSON.stringify(plan)).toContain(`"${SOURCE}"`);
    expect(everything(on)).toBe(before);
  });

  test.each(ENDINGS)("%s, it is there as a whole, or not at all", { timeout: 600_000 }, async (_, ending) => {
    await endEverywhere(
      ending,
      withFile,
      (world) => createImageFromFile(world, fromFile()),
      async (world, point) => {
        const { images, layers } = await world.store.read();
        const found = Object.values(images);
        expect(found.length, point).toBe(Object.keys(layers).length);
        for (const image of found) {
          const layer = layers[image.disks[0]?.layer ?? ""];
          expect(world.host.read(layer?.file ?? "")).toEqual(CONTENT);
        }
        expect(await orphansAndGaps(world), point).toEqual([]);
        expect(await world.store.journal.list()).toEqual([]);
        expect(world.host.read(SOURCE)).toEqual(CONTENT);
      },
    );
  });
});
