/** Encrypted disks: nothing of one is opened without its secret, and nothing that is made on one is plain. */
import { expect, test } from "vitest";
import type { DiskFile } from "../../src/core/model/host.ts";
import { WrongPassphrase } from "../../src/errors.ts";
import { CLUSTER_BYTES, chainOf, DISK_BYTES, type Rig } from "./rig.ts";

let count = 0;

/** A secret of libvirt's with that passphrase; returns its UUID. */
async function addSecret(rig: Rig, passphrase = "open sesame"): Promise<string> {
  count += 1;
  const secret = `5ec12e70-0000-4000-8000-${String(count).padStart(12, "0")}`;
  const file = await rig.addText(`secret${count}`, `${passphrase}\n`);
  await rig.host.perform({ do: "define-secret", secret, description: `of the contract ${count}`, file });
  return secret;
}

async function addLayer(rig: Rig, name: string, secret: string, backing: string | null = null): Promise<string> {
  const path = `${rig.folder}/${name}.qcow2`;
  const stands = backing === null ? null : { path: backing, format: "qcow2" };
  await rig.host.perform({ do: "create-disk", path, backing: stands, sizeBytes: DISK_BYTES, secret });
  expect(await rig.host.imageInfo(path)).toMatchObject({ encrypted: true, backing, virtualSizeBytes: DISK_BYTES });
  return path;
}

const diskOf = (secret: string, path: string, ...backing: readonly string[]): DiskFile => ({
  path,
  format: "qcow2",
  encryption: { secret, backing: backing.map((each) => ({ path: each, format: "qcow2" })) },
});

async function define(rig: Rig, file: DiskFile | null): Promise<string> {
  count += 1;
  const uuid = `00000000-0000-4000-9000-${String(count).padStart(12, "0")}`;
  const disks = file === null ? [] : [{ device: "vda", readonly: false, serial: null, ...file }];
  const shape = { name: `enc${count}`, uuid, vcpus: 1, ramBytes: 64 * 2 ** 20, disks, interfaces: [] };
  const xml = await rig.host.newDefinition({ ...shape, consoleLog: `${rig.folder}/enc${count}.console` });
  await rig.host.perform({ do: "define", xml });
  return uuid;
}

const start = (rig: Rig, domain: string) => rig.host.perform({ do: "start", domain, paused: false });

/** base ← middle ← head, all of one secret, each with a cluster that a guest wrote. Everything is off. */
async function addChain(rig: Rig) {
  const secret = await addSecret(rig);
  const base = await addLayer(rig, "base", secret);
  const uuid = await define(rig, diskOf(secret, base));
  await start(rig, uuid);
  await rig.guestWrite(uuid, "vda", 0, "A");
  await rig.guestWrite(uuid, "vda", 1, "A");
  const middle = await addLayer(rig, "middle", secret, base);
  await switchTo(rig, uuid, secret, middle);
  await rig.guestWrite(uuid, "vda", 1, "B");
  await rig.guestWrite(uuid, "vda", 2, "B");
  const head = await addLayer(rig, "head", secret, middle);
  await switchTo(rig, uuid, secret, head);
  await rig.guestWrite(uuid, "vda", 2, "C");
  return { secret, base, middle, head, uuid };
}

async function switchTo(rig: Rig, domain: string, secret: string, path: string): Promise<void> {
  const disks = [{ device: "vda", path, secret }];
  await rig.host.perform({ do: "switch-disks", domain, disks, excluded: [], quiesce: false });
}

/** What an encrypted file and all that it stands on read as: by a copy that is plain. */
async function read(rig: Rig, path: string, secret: string) {
  count += 1;
  const to = `${rig.folder}/read${count}`;
  const copy = { do: "convert", from: path, fromFormat: "qcow2", to, toFormat: "qcow2", compress: false } as const;
  await rig.host.perform({ ...copy, mode: 0o600, secret });
  return rig.read(to);
}

const WRITTEN = { 0: "A", 1: "B", 2: "C" };

export function encryptedContract(current: () => Rig): void {
  test("a secret is libvirt's until it is taken away, and both may be repeated", async () => {
    const rig = current();
    const secret = await addSecret(rig);
    const again = await rig.addText("again", "open sesame");
    const description = 'another <description> of "it"';
    await rig.host.perform({ do: "define-secret", secret, description, file: again });
    expect(await rig.host.listSecrets()).toContainEqual({ uuid: secret, description });
    await addLayer(rig, "base", secret);
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "undefine-secret", secret });
    expect((await rig.host.listSecrets()).map(({ uuid }) => uuid)).not.toContain(secret);
  });

  test("a file that holds no passphrase is refused, and libvirt is given nothing", async () => {
    const rig = current();
    const empty = await rig.addText("empty", "\n");
    await expect(rig.host.checkPassphrase(empty)).rejects.toMatchObject({ code: "usage" });
    await expect(rig.host.checkPassphrase(`${rig.folder}/nothing`)).rejects.toMatchObject({ code: "host" });
    await rig.host.checkPassphrase(await rig.addText("good", "pass phrase\n"));
  });

  test("a chain of encrypted layers runs, grows by live snapshots, and reads the same afterwards", async () => {
    const rig = current();
    const { secret, base, middle, head, uuid } = await addChain(rig);
    expect(await chainOf(rig, uuid)).toEqual(["head.qcow2", "middle.qcow2", "base.qcow2"]);
    const status = await rig.host.domainStatus(uuid);
    for (const definition of [status?.live, status?.inactive])
      expect(definition?.disks[0]).toMatchObject({ source: head, secret });
    await rig.host.perform({ do: "destroy", domain: uuid });
    await rig.host.perform({
      do: "redefine",
      domain: uuid,
      disks: [{ device: "vda", ...diskOf(secret, head, middle, base) }],
    });
    const backing = [middle, base].map((path) => ({ path, secret }));
    expect((await rig.host.domainStatus(uuid))?.inactive.disks[0]).toMatchObject({ source: head, secret, backing });
    await start(rig, uuid);
    await rig.host.perform({ do: "destroy", domain: uuid });
    expect(await read(rig, head, secret)).toEqual(WRITTEN);
  });

  test("a definition that leaves a secret out starts nothing", async () => {
    const rig = current();
    const secret = await addSecret(rig);
    const base = await addLayer(rig, "base", secret);
    const head = await addLayer(rig, "head", secret, base);
    for (const file of [{ path: base, format: "qcow2" }, diskOf(secret, head)]) {
      const uuid = await define(rig, file);
      await expect(start(rig, uuid)).rejects.toThrow();
      expect((await rig.host.domainStatus(uuid))?.state).toBe("shutoff");
      await rig.host.perform({ do: "undefine", domain: uuid, nvram: false });
    }
  });

  test("nothing opens an encrypted layer without its secret, or with another", async () => {
    const rig = current();
    const { base, middle, head, uuid, secret } = await addChain(rig);
    await rig.host.perform({ do: "destroy", domain: uuid });
    const wrong = await addSecret(rig, "something else");
    const before = await rig.host.fileInfo(head);
    for (const key of [{}, { secret: wrong }, { secret: "5ec12e70-0000-4000-8000-ffffffffffff" }]) {
      const image = { path: head, format: "qcow2", ...key };
      const copy = { from: head, fromFormat: "qcow2", to: `${rig.folder}/copy`, toFormat: "qcow2" };
      await expect(rig.host.ownExtents(image)).rejects.toThrow();
      await expect(rig.host.convertedBytes(image)).rejects.toThrow();
      await expect(rig.host.sameContent(image, image)).rejects.toThrow();
      const refused = [
        { do: "commit", top: head, topFormat: "qcow2", base: middle, ...key },
        { do: "rebase", file: head, backing: { path: base, format: "qcow2" }, ...key },
        { do: "relink", file: head, backing: { path: base, format: "qcow2" }, ...key },
        { do: "resize-disk", path: head, format: "qcow2", sizeBytes: 2 * DISK_BYTES, ...key },
        { do: "convert", ...copy, compress: false, mode: 0o600, ...key },
      ] as const;
      for (const action of refused) await expect(rig.host.perform(action), action.do).rejects.toThrow();
    }
    const other = { do: "create-disk", path: `${rig.folder}/other`, sizeBytes: DISK_BYTES } as const;
    const onHead = { backing: { path: head, format: "qcow2" }, secret: wrong };
    await expect(rig.host.perform({ ...other, ...onHead })).rejects.toMatchObject({ code: "host" });
    expect(await rig.host.fileInfo(other.path)).toBeNull();
    expect(await rig.host.fileInfo(head)).toEqual(before);
    expect(await rig.host.fileInfo(`${rig.folder}/copy`)).toBeNull();
    expect(await read(rig, head, secret)).toEqual(WRITTEN);
  });

  test("layers are asked, measured and compared with their secret", async () => {
    const rig = current();
    const { base, middle, head, uuid, secret } = await addChain(rig);
    expect(await rig.host.ownExtents({ path: middle, format: "qcow2", secret })).toEqual([
      { start: CLUSTER_BYTES, length: 2 * CLUSTER_BYTES },
    ]);
    expect(await rig.host.convertedBytes({ path: middle, format: "qcow2", secret })).toBeGreaterThan(3 * CLUSTER_BYTES);
    await rig.host.perform({ do: "destroy", domain: uuid });
    const image = (path: string) => ({ path, format: "qcow2", secret });
    expect(await rig.host.sameContent(image(head), image(middle))).toBe(false);
    expect(await rig.host.sameContent(image(base), image(base))).toBe(true);
  });

  test("what a file holds is told with the file of its passphrase, too, and not with another's", async () => {
    const rig = current();
    const { middle, head, uuid, secret } = await addChain(rig);
    await rig.host.perform({ do: "destroy", domain: uuid });
    const passphraseFile = await rig.addText("right", "open sesame\n");
    const image = { path: middle, format: "qcow2" };
    expect(await rig.host.ownExtents({ ...image, passphraseFile })).toEqual(
      await rig.host.ownExtents({ ...image, secret }),
    );
    expect(await rig.host.dataPlaces({ path: middle, passphraseFile })).toEqual(
      await rig.host.dataPlaces({ path: middle, secret }),
    );
    const other = await rig.addText("wrong", "open barley\n");
    for (const key of [{ passphraseFile: other }, { secret: await addSecret(rig, "open barley") }]) {
      await expect(rig.host.ownExtents({ path: head, format: "qcow2", ...key })).rejects.toThrow(WrongPassphrase);
      await expect(rig.host.dataPlaces({ path: head, ...key })).rejects.toThrow(WrongPassphrase);
    }
  });

  test("merges of encrypted files move the same content, up and down, and may be repeated", async () => {
    const rig = current();
    const { base, middle, head, uuid, secret } = await addChain(rig);
    await rig.host.perform({ do: "destroy", domain: uuid });
    const onBase = { path: base, format: "qcow2" };
    for (const _ of ["once", "again"]) {
      await rig.host.perform({ do: "commit", top: middle, topFormat: "qcow2", base, secret });
      expect(await read(rig, base, secret)).toEqual({ 0: "A", 1: "B", 2: "B" });
    }
    await rig.host.perform({ do: "relink", file: head, backing: onBase, secret });
    expect((await rig.host.imageInfo(head))?.backing).toBe(base);
    expect(await read(rig, head, secret)).toEqual(WRITTEN);
    for (const backing of [onBase, null]) {
      for (const _ of ["once", "again"]) await rig.host.perform({ do: "rebase", file: head, backing, secret });
      expect(await rig.host.imageInfo(head)).toMatchObject({ backing: backing?.path ?? null, encrypted: true });
      expect(await read(rig, head, secret)).toEqual(WRITTEN);
    }
  });

  test("a rebase onto a layer that stands on another leaves plain names in the headers", async () => {
    const rig = current();
    const { base, middle, head, uuid, secret } = await addChain(rig);
    await rig.host.perform({ do: "destroy", domain: uuid });
    const top = await addLayer(rig, "top", secret, head);
    await rig.host.perform({ do: "rebase", file: top, backing: { path: middle, format: "qcow2" }, secret });
    expect(await rig.host.imageInfo(top)).toMatchObject({ backing: middle, backingFormat: "qcow2" });
    await rig.host.perform({ do: "unlink", path: head });
    expect(await read(rig, top, secret)).toEqual(WRITTEN);
    expect(await read(rig, middle, secret)).toEqual({ 0: "A", 1: "B", 2: "B" });
    expect((await rig.host.imageInfo(middle))?.backing).toBe(base);
  });

  test("a running guest's encrypted layers are merged by block jobs", async () => {
    const rig = current();
    const { base, middle, head, uuid, secret } = await addChain(rig);
    await rig.host.perform({ do: "block-commit", domain: uuid, device: "vda", top: middle, base });
    expect(await chainOf(rig, uuid)).toEqual(["head.qcow2", "base.qcow2"]);
    await rig.host.perform({ do: "block-pull", domain: uuid, device: "vda", base: null });
    expect(await chainOf(rig, uuid)).toEqual(["head.qcow2"]);
    const over = await addLayer(rig, "over", secret, head);
    await switchTo(rig, uuid, secret, over);
    await rig.guestWrite(uuid, "vda", 3, "D");
    await rig.host.perform({ do: "block-commit-active", domain: uuid, device: "vda", base: head });
    expect(await chainOf(rig, uuid)).toEqual(["head.qcow2"]);
    const { live, inactive } = (await rig.host.domainStatus(uuid)) ?? {};
    for (const definition of [live, inactive]) expect(definition?.disks[0]).toMatchObject({ source: head, secret });
    await rig.host.perform({ do: "destroy", domain: uuid });
    expect(await read(rig, head, secret)).toEqual({ ...WRITTEN, 3: "D" });
  });

  test("a disk is attached to a running guest with all that it stands on, and grows there and at rest", async () => {
    const rig = current();
    const { base, middle, head, uuid, secret } = await addChain(rig);
    await rig.host.perform({ do: "destroy", domain: uuid });
    const grown = { do: "resize-disk", path: head, format: "qcow2", sizeBytes: DISK_BYTES + CLUSTER_BYTES } as const;
    await rig.host.perform({ ...grown, secret });
    const other = await define(rig, null);
    await start(rig, other);
    const disk = { device: "vdb", readonly: false, serial: null, ...diskOf(secret, head, middle, base) };
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "attach-disk", domain: other, disk });
    const sizeBytes = DISK_BYTES + 2 * CLUSTER_BYTES;
    await rig.host.perform({ do: "block-resize", domain: other, device: "vdb", sizeBytes });
    expect(await rig.host.qemuDisks(other)).toMatchObject([{ device: "vdb", chain: [head, middle, base], sizeBytes }]);
  });

  test("memory is saved with encrypted disks, and resumes on new ones", async () => {
    const rig = current();
    const { base, middle, head, uuid, secret } = await addChain(rig);
    const next = await addLayer(rig, "next", secret, head);
    const memory = `${rig.folder}/memory`;
    const disks = [{ device: "vda", path: next, secret }];
    await rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: false, memory });
    await rig.host.perform({ do: "destroy", domain: uuid });
    const other = await addLayer(rig, "other", secret, head);
    const edit = { disks: { vda: diskOf(secret, other, head, middle, base) }, dropBackingStore: true };
    const status = await rig.host.domainStatus(uuid);
    await rig.host.perform({ do: "define", xml: rig.host.editDefinition(status?.inactive.xml ?? "", edit) });
    const xml = rig.host.editDefinition(await rig.host.memoryDefinition(memory), edit);
    await rig.host.perform({ do: "restore-memory", domain: uuid, memory, xml, paused: false });
    expect(await chainOf(rig, uuid)).toEqual(["other.qcow2", "head.qcow2", "middle.qcow2", "base.qcow2"]);
  });

  test("a copy is encrypted as it is told: with the same secret, or with a passphrase of its own", async () => {
    const rig = current();
    const { head, uuid, secret } = await addChain(rig);
    await rig.host.perform({ do: "destroy", domain: uuid });
    const plain = await rig.addImage("plain", { content: { 0: "P" } });
    const passphraseFile = await rig.addText("own", "its own\n");
    const own = await addSecret(rig, "its own");
    const copy = { do: "convert", fromFormat: "qcow2", toFormat: "qcow2", compress: false, mode: 0o400 } as const;
    const to = (name: string) => `${rig.folder}/${name}`;
    await rig.host.perform({ ...copy, from: head, to: to("same"), secret, encrypt: { secret } });
    await rig.host.perform({ ...copy, from: head, to: to("other"), secret, encrypt: { passphraseFile } });
    await rig.host.perform({ ...copy, from: plain, to: to("fresh"), encrypt: { passphraseFile } });
    for (const name of ["same", "other", "fresh"]) {
      expect(await rig.host.imageInfo(to(name))).toMatchObject({ encrypted: true, backing: null });
    }
    expect(await read(rig, to("same"), secret)).toEqual(WRITTEN);
    expect(await read(rig, to("other"), own)).toEqual(WRITTEN);
    expect(await read(rig, to("fresh"), own)).toEqual({ 0: "P" });
    await expect(read(rig, to("other"), secret)).rejects.toThrow();
  });
}
