/** Image files that no guest holds, and what is refused of those that one holds. */
import { expect, test } from "vitest";
import { addHead, CLUSTER_BYTES, DISK_BYTES, type Rig, startGuest } from "./rig.ts";

export function fileContract(current: () => Rig): void {
  test("a new head is private, stands on what it was given, and reads as that", async () => {
    const rig = current();
    const base = await rig.addImage("base", { content: { 1: "A" } });
    const head = await addHead(rig, "head", base);
    expect(await rig.host.imageInfo(head)).toMatchObject({
      format: "qcow2",
      virtualSizeBytes: DISK_BYTES,
      backing: base,
      backingFormat: "qcow2",
      encrypted: false,
      dirty: false,
    });
    expect((await rig.host.fileInfo(head))?.mode).toBe(0o600);
    expect(await rig.read(head)).toEqual({ 1: "A" });
    expect(await rig.host.listFolder(rig.folder)).toEqual(["base", "head"]);
  });

  test("making the same head again is no error, and another one under its name is a conflict", async () => {
    const rig = current();
    const base = await rig.addImage("base");
    const head = await addHead(rig, "head", base);
    await addHead(rig, "head", base);
    const other = await rig.addImage("other");
    await expect(addHead(rig, "head", other)).rejects.toMatchObject({ code: "conflict" });
    await rig.write(head, 2, "B");
    await expect(addHead(rig, "head", base)).rejects.toMatchObject({ code: "conflict" });
    expect(await rig.read(head)).toEqual({ 2: "B" });
  });

  test("a head without backing is empty, and one on what is not there is refused", async () => {
    const rig = current();
    const path = `${rig.folder}/empty`;
    await rig.host.perform({ do: "create-disk", path, backing: null, sizeBytes: DISK_BYTES });
    expect(await rig.read(path)).toEqual({});
    expect((await rig.host.imageInfo(path))?.backing).toBeNull();
    await expect(addHead(rig, "head", `${rig.folder}/nothing`)).rejects.toMatchObject({ code: "failed" });
    expect(await rig.host.listFolder(rig.folder)).toEqual(["empty"]);
  });

  test("a chain is read file by file, each known by what it is, whatever it is called", async () => {
    const rig = current();
    const base = await rig.addImage("base");
    const middle = await addHead(rig, "middle", base);
    const top = await addHead(rig, "top", middle);
    const chain = await rig.host.imageChain(top, "qcow2");
    expect(chain.map(({ path, format, fault }) => ({ path, format, fault }))).toEqual(
      [top, middle, base].map((path) => ({ path, format: "qcow2", fault: null })),
    );
    for (const { path, identity } of chain) expect((await rig.host.fileInfo(path))?.identity).toBe(identity);
    expect(new Set(chain.map(({ identity }) => identity)).size).toBe(3);
    expect(await rig.host.imageChain(`${rig.folder}/nothing`, "qcow2")).toEqual([]);
    await rig.host.perform({ do: "unlink", path: base });
    expect((await rig.host.imageChain(top, "qcow2")).at(-1)).toMatchObject({ path: base, identity: null });
  });

  test("a file is the same under its name and through its real path, and no other is", async () => {
    const rig = current();
    const [one, other] = [await rig.addImage("one"), await rig.addImage("other")];
    const real = (await rig.host.realPath(one)) ?? "";
    const identity = (await rig.host.fileInfo(one))?.identity;
    expect((await rig.host.fileInfo(real))?.identity).toBe(identity);
    expect((await rig.host.fileInfo(other))?.identity).not.toBe(identity);
    expect(await rig.host.realPath(`${rig.folder}/nothing`)).toBeNull();
  });

  test("a file that is not there has no facts, and its removal is done", async () => {
    const rig = current();
    expect(await rig.host.imageInfo(`${rig.folder}/nothing`)).toBeNull();
    expect(await rig.host.fileInfo(`${rig.folder}/nothing`)).toBeNull();
    expect(await rig.host.listFolder(`${rig.folder}/nothing`)).toEqual([]);
    await rig.host.perform({ do: "unlink", path: `${rig.folder}/nothing` });
  });

  test("a folder that is there can be told to be writable, and one that is not is no such", async () => {
    const rig = current();
    await rig.addImage("base");
    await rig.host.requireWritable(rig.folder);
    await expect(rig.host.requireWritable(`${rig.folder}/nothing`)).rejects.toMatchObject({ code: "host" });
  });

  test("the head of a running guest has facts only for who shares it; the layer under it for everybody", async () => {
    const rig = current();
    const base = await rig.addImage("base");
    const head = await addHead(rig, "head", base);
    await startGuest(rig, { vda: head });
    await expect(rig.host.imageInfo(head)).rejects.toMatchObject({ code: "conflict" });
    expect((await rig.host.imageInfo(head, { shared: true }))?.backing).toBe(base);
    expect((await rig.host.imageInfo(base))?.format).toBe("qcow2");
  });

  test("the own extents of a file are what it holds, not what it stands on", async () => {
    const rig = current();
    const base = await rig.addImage("base", { content: { 0: "A", 1: "A" } });
    const head = await addHead(rig, "head", base);
    await rig.write(head, 3, "B");
    await rig.write(head, 4, "B");
    await rig.write(head, 9, "B");
    expect(await rig.host.ownExtents({ path: head, format: "qcow2" })).toEqual([
      { start: 3 * CLUSTER_BYTES, length: 2 * CLUSTER_BYTES },
      { start: 9 * CLUSTER_BYTES, length: CLUSTER_BYTES },
    ]);
    await rig.host.perform({ do: "unlink", path: base });
    expect(await rig.host.ownExtents({ path: head, format: "qcow2" })).toHaveLength(2);
  });

  test("two files are the same where they read alike, however they are layered", async () => {
    const rig = current();
    const base = await rig.addImage("base", { content: { 0: "A" } });
    const head = await addHead(rig, "head", base);
    const alone = await rig.addImage("alone", { format: "raw", content: { 0: "A" } });
    const same = () => rig.host.sameContent({ path: head, format: "qcow2" }, { path: alone, format: "raw" });
    expect(await same()).toBe(true);
    await rig.write(head, 5, "B");
    expect(await same()).toBe(false);
  });

  test("a converted chain stands on nothing, has the mode it was given, and reads the same", async () => {
    const rig = current();
    const base = await rig.addImage("base", { content: { 0: "A", 1: "A" } });
    const head = await addHead(rig, "head", base);
    await rig.write(head, 1, "B");
    const to = `${rig.folder}/copy`;
    const convert = { do: "convert", from: head, fromFormat: "qcow2", to, toFormat: "qcow2" } as const;
    const fractions: number[] = [];
    for (const compress of [false, true]) {
      await rig.host.perform({ ...convert, compress, mode: 0o400 }, { onProgress: (each) => fractions.push(each) });
      expect(await rig.read(to)).toEqual({ 0: "A", 1: "B" });
      expect((await rig.host.imageInfo(to))?.backing).toBeNull();
      expect((await rig.host.fileInfo(to))?.mode).toBe(0o400);
    }
    expect(fractions.at(-1)).toBe(1);
    expect(await rig.host.listFolder(rig.folder)).toEqual(["base", "copy", "head"]);
  });

  test("the head of a running guest is not converted", async () => {
    const rig = current();
    const head = await rig.addImage("head");
    await startGuest(rig, { vda: head });
    const to = `${rig.folder}/copy`;
    const convert = { do: "convert", from: head, fromFormat: "qcow2", to, toFormat: "qcow2" } as const;
    await expect(rig.host.perform({ ...convert, compress: false, mode: 0o600 })).rejects.toMatchObject({
      code: "conflict",
    });
    expect(await rig.host.fileInfo(to)).toBeNull();
  });

  test("an operation that was interrupted begins nothing more", async () => {
    const rig = current();
    const from = await rig.addImage("base");
    const to = `${rig.folder}/copy`;
    const convert = { do: "convert", from, fromFormat: "qcow2", to, toFormat: "qcow2" } as const;
    const signal = AbortSignal.abort();
    await expect(rig.host.perform({ ...convert, compress: false, mode: 0o600 }, { signal })).rejects.toMatchObject({
      code: "interrupted",
    });
    expect(await rig.host.listFolder(rig.folder)).toEqual(["base"]);
  });

  test("the mode of a file that somebody has removed cannot be set, as the kernel says", async () => {
    const path = `${current().folder}/nothing`;
    const error = { code: "ENOENT", syscall: "stat", path };
    const action = { do: "set-mode", path, mode: 0o400 } as const;
    await expect(current().host.perform(action)).rejects.toMatchObject(error);
    await current().host.perform({ ...action, ifThere: true });
    expect(await current().host.fileInfo(path)).toBeNull();
  });

  test("a disk grows, stays, and never shrinks", async () => {
    const rig = current();
    const path = await rig.addImage("disk", { content: { 0: "A" } });
    const resize = { do: "resize-disk", path, format: "qcow2" } as const;
    await rig.host.perform({ ...resize, sizeBytes: 2 * DISK_BYTES });
    await rig.host.perform({ ...resize, sizeBytes: 2 * DISK_BYTES });
    expect((await rig.host.imageInfo(path))?.virtualSizeBytes).toBe(2 * DISK_BYTES);
    expect(await rig.read(path)).toEqual({ 0: "A" });
    await expect(rig.host.perform({ ...resize, sizeBytes: DISK_BYTES })).rejects.toMatchObject({ code: "failed" });
  });

  test("a copy of a small file is whole, with its mode", async () => {
    const rig = current();
    const from = await rig.addImage("nvram", { format: "raw", content: { 0: "N" } });
    const to = `${rig.folder}/copy`;
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "copy-file", from, to, mode: 0o600 });
    expect(await rig.host.sameContent({ path: from, format: "raw" }, { path: to, format: "raw" })).toBe(true);
    expect((await rig.host.fileInfo(to))?.mode).toBe(0o600);
  });

  test("a text takes the place of what was there, or, where it is only for who has none, leaves that as it is", async () => {
    const { host, folder } = current();
    const path = `${folder}/marker.json`;
    const write = (text: string, more: { readonly mode?: number; readonly ifNone?: boolean } = {}) =>
      host.perform({ do: "write-file", path, text, ...more });
    const found = async () => [(await host.readText(path, 1024))?.text, (await host.fileInfo(path))?.mode];
    await write("first", { ifNone: true });
    expect(await found()).toEqual(["first", 0o600]);
    await write("second", { ifNone: true, mode: 0o644 });
    expect(await found()).toEqual(["first", 0o600]);
    await write("third", { mode: 0o644 });
    expect(await found()).toEqual(["third", 0o644]);
    expect(await host.listFolder(folder)).toEqual(["marker.json"]);
  });

  test("a seed is a private file, and is replaced as a whole", async () => {
    const rig = current();
    const path = `${rig.folder}/seed.iso`;
    const seed = { do: "create-seed", path, metaData: "instance-id: i\n", userData: "#cloud-config\n" } as const;
    await rig.host.perform({ ...seed, networkConfig: null });
    await rig.host.perform({ ...seed, networkConfig: "version: 2\n" });
    expect(await rig.host.fileInfo(path)).toMatchObject({ mode: 0o600 });
    expect(await rig.host.listFolder(rig.folder)).toEqual(["seed.iso"]);
  });

  test("a seed with another instance-id is one more file, as often as that is done", async () => {
    const rig = current();
    const [from, to] = [`${rig.folder}/first.iso`, `${rig.folder}/second.iso`];
    const id = (digit: string) => `${digit.repeat(8)}-${digit.repeat(4)}-4000-8000-${digit.repeat(12)}`;
    const metaData = `instance-id: "${id("1")}"\nlocal-hostname: "a"\n`;
    const contents = { metaData, userData: "#cloud-config\n", networkConfig: null };
    await rig.host.perform({ do: "create-seed", path: from, ...contents });
    const renew = { do: "renew-seed", from, to, instanceId: id("2") } as const;
    await rig.host.perform(renew);
    await rig.host.perform(renew);
    const [first, second] = [await rig.host.fileInfo(from), await rig.host.fileInfo(to)];
    expect(second).toMatchObject({ mode: 0o600, sizeBytes: first?.sizeBytes });
    expect(await rig.host.listFolder(rig.folder)).toEqual(["first.iso", "second.iso"]);
    await expect(rig.host.perform({ ...renew, from: await rig.addText("no-seed", "text") })).rejects.toMatchObject({
      code: "integrity",
    });
  });
}
