import { describe, expect, test } from "vitest";
import { createImageFromFile } from "../../../../src/core/images/create-from-file.ts";
import { type SaveImageOptions, saveImage } from "../../../../src/core/images/save.ts";
import type { Image } from "../../../../src/core/model/state.ts";
import { EstratoError } from "../../../../src/errors.ts";
import type { FakeFile } from "../../../fake/host-machine.ts";
import { ENDINGS } from "../ends.ts";
import { type Bed, bed, CONTENT, command, endEverywhere, everything, imageNamed, SOURCE } from "./world.ts";

const TARGET = "/out/golden.qcow2";

async function withImage(): Promise<Bed> {
  const on = bed();
  const world = command(on);
  world.host.addFile(SOURCE, { content: CONTENT });
  world.host.addFile("/out/other.txt");
  await createImageFromFile(world, { ...imageNamed("golden"), file: SOURCE, diskFormat: null });
  return on;
}

function toFile(changes: Partial<SaveImageOptions> = {}, replace = false): SaveImageOptions {
  const to = { kind: "file", path: TARGET, replace } as const;
  return { image: "golden", disk: null, format: "qcow2", compress: false, to, ...changes };
}

async function refused(on: Bed, options: SaveImageOptions) {
  const before = everything(on);
  const error = await saveImage(command(on), options).catch((thrown: unknown) => thrown);
  expect(everything(on)).toBe(before);
  return error;
}

function leftBehind(on: Bed): string[] {
  return [...on.machine.files.keys()].filter((path) => path.includes(".estrato-") || path.endsWith(".part"));
}

describe("a saved image", () => {
  test.each(["qcow2", "raw"] as const)("is a self-standing file with the image's content (%s)", async (format) => {
    const on = await withImage();
    const world = command(on);
    await saveImage(world, toFile({ format }));
    expect(world.host.read(TARGET)).toEqual(CONTENT);
    expect(on.machine.files.get(TARGET)).toMatchObject({ format, backing: null, mode: 0o600 });
    expect(leftBehind(on)).toEqual([]);
  });

  test("is none where a file of the image is away, and that is said", async () => {
    const on = await withImage();
    const [layer] = Object.values((await command(on).store.read()).layers);
    on.machine.files.delete(layer?.file ?? "");
    expect(await refused(on, toFile())).toMatchObject({
      code: "host",
      message: `image golden: ${layer?.file} is not there`,
    });
  });

  test("replaces no file", async () => {
    const on = await withImage();
    command(on).host.addFile(TARGET, { content: { 0: "precious" } });
    expect(await refused(on, toFile())).toMatchObject({ code: "conflict" });
  });

  test("replaces a file where that is said, once the copy is whole", async () => {
    const on = await withImage();
    command(on).host.addFile(TARGET, { content: { 0: "old" } });
    await saveImage(command(on), toFile({}, true));
    expect(command(on).host.read(TARGET)).toEqual(CONTENT);
  });

  test("replaces no file that came to be while it was copied", async () => {
    const on = await withImage();
    const world = command(on);
    const { perform } = world.host;
    world.host.perform = async (action, how) => {
      await perform(action, how);
      if (action.do === "convert") world.host.addFile(TARGET, { content: { 0: "precious" } });
    };
    await expect(saveImage(world, toFile())).rejects.toMatchObject({ code: "conflict" });
    expect(world.host.read(TARGET)).toEqual({ 0: "precious" });
    expect(leftBehind(on)).toEqual([]);
  });

  test("never takes the place of a layer or of an instance's disk", async () => {
    const on = await withImage();
    const { host } = command(on);
    host.addFile("/out/web1.qcow2", { content: CONTENT });
    host.addDomain({ name: "web1", disks: [{ device: "vda", path: "/out/web1.qcow2", format: "qcow2" }] });
    const to = { kind: "file", path: "/out/web1.qcow2", replace: true } as const;
    expect(await refused(on, toFile({ to }))).toMatchObject({ code: "conflict" });
    const layer = [...on.machine.files.keys()].find((path) => path.includes("/layers/")) ?? "";
    expect(await refused(on, toFile({ to: { ...to, path: layer } }))).toMatchObject({ code: "conflict" });
  });

  test("never takes the place of what a disk stands on, nor of one of another name", async () => {
    const on = await withImage();
    const { host } = command(on);
    host.addFile("/out/template.qcow2", { content: CONTENT });
    host.addFile("/disks/clone.qcow2", { backing: { path: "/out/template.qcow2", format: "qcow2" } });
    host.addFile("/disks/web2.qcow2", { content: CONTENT });
    on.machine.files.set("/out/web2.qcow2", on.machine.files.get("/disks/web2.qcow2") as FakeFile);
    for (const name of ["clone", "web2"])
      host.addDomain({ name, disks: [{ device: "vda", path: `/disks/${name}.qcow2`, format: "qcow2" }] });
    for (const [path, who] of [
      ["/out/template.qcow2", "clone"],
      ["/out/web2.qcow2", "web2"],
    ] as const) {
      const to = { kind: "file", path, replace: true } as const;
      expect(await refused(on, toFile({ to }))).toMatchObject({
        code: "conflict",
        message: `${path}: it is what instance ${who} vda stands on, or may be`,
      });
    }
  });

  test("replaces nothing but a regular file, whatever is said", async () => {
    const on = await withImage();
    command(on).host.addFile("/out/null", { isBlockDevice: true });
    command(on).host.addFile("/out/folder/file");
    for (const path of ["/out/null", "/out/folder"]) {
      const to = { kind: "file", path, replace: true } as const;
      expect(await refused(on, toFile({ to }))).toMatchObject({ code: "conflict" });
    }
  });

  test("needs a folder that is there, and room in it", async () => {
    const on = await withImage();
    const to = { kind: "file", path: "/nowhere/golden.qcow2", replace: false } as const;
    expect(await refused(on, toFile({ to }))).toMatchObject({ code: "not_found" });
    on.machine.freeBytes = 1024;
    expect(await refused(on, toFile())).toMatchObject({ code: "host" });
  });

  test("has a disk that the image has", async () => {
    expect(await refused(await withImage(), toFile({ disk: "vdz" }))).toMatchObject({ code: "not_found" });
  });

  test("is one disk: of an image with several it must be said which", async () => {
    const on = await withImage();
    await command(on).store.update((draft) => {
      const image = Object.values(draft.images)[0] as Image;
      image.disks.push({ ...(image.disks[0] as Image["disks"][number]), device: "vdb" });
    });
    expect(await refused(on, toFile())).toMatchObject({ code: "usage", hint: expect.stringContaining("vda, vdb") });
    await saveImage(command(on), toFile({ disk: "vdb" }));
  });

  test("cannot be both raw and compressed", async () => {
    const on = await withImage();
    expect(await refused(on, toFile({ format: "raw", compress: true }))).toMatchObject({ code: "usage" });
  });

  test("is refused while another command moves its layers", async () => {
    const on = await withImage();
    const other = command(on);
    const [layer] = Object.keys((await other.store.read()).layers);
    const locks = await other.store.lock([layer ?? ""], 0);
    await expect(saveImage(command(on), toFile())).rejects.toMatchObject({ code: "conflict" });
    await locks.release();
  });

  test("is handed to whoever reads it, and is gone afterwards", async () => {
    const on = await withImage();
    const world = command(on);
    const files = on.machine.files.size;
    let seen: unknown;
    const read = async (path: string) => {
      seen = world.host.read(path);
    };
    await saveImage(world, toFile({ to: { kind: "reader", read } }));
    expect(seen).toEqual(CONTENT);
    expect(on.machine.files.size).toBe(files);
  });

  test("leaves nothing where its reader goes away", async () => {
    const on = await withImage();
    const files = on.machine.files.size;
    const read = async () => {
      throw new EstratoError("failed", "standard output: closed");
    };
    await expect(saveImage(command(on), toFile({ to: { kind: "reader", read } }))).rejects.toThrow("closed");
    expect(on.machine.files.size).toBe(files);
    expect(on.disk.journal.size).toBe(0);
  });

  test("changes nothing in a dry run", async () => {
    const on = await withImage();
    const before = everything(on);
    expect(JSON.stringify(await saveImage(command(on, { dryRun: true }), toFile()))).toContain("convert");
    expect(everything(on)).toBe(before);
  });

  test("that was cut off in a folder that has gone since holds nothing up", async () => {
    const on = await withImage();
    const dying = command(on);
    dying.host.crashAtNext("convert", "midway");
    await saveImage(dying, toFile()).catch(() => undefined);
    const next = command(on);
    next.host.failNext("unlink", Object.assign(new Error("ENOTDIR: not a directory"), { code: "ENOTDIR" }));
    await saveImage(next, toFile());
    expect(next.notes.join()).toContain("could not be removed");
    expect(next.host.read(TARGET)).toEqual(CONTENT);
  });

  test.each(ENDINGS)(
    "%s, it leaves a whole file, or the one from before, and nothing else",
    { timeout: 600_000 },
    async (_, ending) => {
      const prepare = async () => {
        const on = await withImage();
        command(on).host.addFile(TARGET, { content: { 0: "old" } });
        return on;
      };
      await endEverywhere(
        ending,
        prepare,
        (world) => saveImage(world, toFile({}, true)),
        async (world, point) => {
          expect([{ 0: "old" }, CONTENT], point).toContainEqual(world.host.read(TARGET));
          const files = [...world.host.machine.files.keys()];
          expect(files.filter((path) => path.includes(".estrato-"))).toEqual([]);
          expect(await world.store.journal.list()).toEqual([]);
        },
      );
    },
  );
});
