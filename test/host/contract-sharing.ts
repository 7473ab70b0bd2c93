/** Files and folders that are opened to others, and closed again. */
import { expect, test } from "vitest";
import type { Rig } from "./rig.ts";

export function sharingContract(current: () => Rig): void {
  const READER = 12345;

  test("a file is opened to readers, to everybody, and closed again; each may be repeated", async () => {
    const { host, addImage } = current();
    const path = await addImage("base");
    for (const [mode, readers] of [
      [0o440, [READER]],
      [0o444, [READER]],
      [0o444, []],
      [0o400, []],
    ] as const) {
      for (const _ of [1, 2]) await host.perform({ do: "set-access", path, mode, readers });
      expect((await host.fileInfo(path))?.mode).toBe(mode);
    }
    await expect(host.perform({ do: "set-access", path: `${path}.not`, mode: 0o400, readers: [] })).rejects.toThrow();
  });

  test("a folder is made once, and removed only when nothing is in it", async () => {
    const { host, folder } = current();
    const path = `${folder}/uses`;
    for (const _ of [1, 2]) await host.perform({ do: "make-folder", path });
    await host.perform({ do: "set-access", path, mode: 0o770, readers: [READER] });
    await host.perform({ do: "open-passage", path });
    for (const _ of [1, 2]) await host.perform({ do: "mark-use", path: `${path}/lay-1`, on: true });
    expect(await host.listFolder(path)).toEqual(["lay-1"]);
    await expect(host.perform({ do: "remove-folder", path })).rejects.toMatchObject({ code: "conflict" });
    for (const _ of [1, 2]) await host.perform({ do: "mark-use", path: `${path}/lay-1`, on: false });
    for (const _ of [1, 2]) await host.perform({ do: "remove-folder", path });
    expect(await host.fileInfo(path)).toBeNull();
    await expect(host.perform({ do: "mark-use", path: `${path}/lay-1`, on: true })).rejects.toMatchObject({
      code: "conflict",
    });
  });

  test("a small file is written as a whole and read as a whole", async () => {
    const { host, folder } = current();
    const path = `${folder}/entry.json`;
    expect(await host.readText(path, 100)).toBeNull();
    for (const text of ["first\n", "the second one\n"]) {
      await host.perform({ do: "write-file", path, text });
      expect((await host.readText(path, 100))?.text).toBe(text);
    }
    expect((await host.fileInfo(path))?.mode).toBe(0o600);
    expect(await host.listFolder(folder)).toEqual(["entry.json"]);
  });

  test("a layer of somebody's is read only where it stands on what it should", async () => {
    const { host, addImage, folder } = current();
    const base = await addImage("base");
    const head = `${folder}/head`;
    const backing = { path: base, format: "qcow2" };
    await host.perform({
      do: "create-disk",
      path: head,
      backing,
      sizeBytes: (await host.imageInfo(base))?.virtualSizeBytes ?? 0,
    });
    expect(await host.readSharedLayer(head, base)).toMatchObject({ format: "qcow2", backing: base });
    expect(await host.readSharedLayer(base, null)).toMatchObject({ backing: null });
    await expect(host.readSharedLayer(head, null)).rejects.toMatchObject({ code: "host" });
    await expect(host.readSharedLayer(head, `${base}x`)).rejects.toMatchObject({ code: "host" });
    await expect(host.readSharedLayer(base, head)).rejects.toMatchObject({ code: "host" });
  });
}
