import { describe, expect, test } from "vitest";
import { deleteImage } from "../../../../src/core/images/delete.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { adoptInstance } from "../../../../src/core/instances/release.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot, unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { attachVolume } from "../../../../src/core/volumes/attach.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { requireSound } from "../crashes.ts";
import {
  type Bed,
  command,
  contentsOf,
  copyOf,
  disksOf,
  everything,
  FIRST,
  start,
  stateOf,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  withTpm,
  write,
} from "../world.ts";
import { instanceIdOf, keep, made, OF_IMAGE, OF_OTHER, planned, rebuild, recordOf, WRITTEN } from "./rebuilding.ts";
import { addImage, creation, newEstate } from "./world.ts";

const REVERT = { discard: false, keepMs: 86_400_000 };
const unrevert = (on: Bed) => unrevertSnapshot(command(on), "web1", REVERT);
const seeds = (on: Bed) => [...on.machine.files.keys()].filter((path) => path.includes("/seeds/"));

/** What people and other tools know the guest by. */
function identityOf(on: Bed): string[] {
  const xml = on.machine.domains.get(UUID)?.inactive ?? "";
  return [...xml.matchAll(/<(?:uuid|mac|name|vcpu|memory|serial)\b.*/g)].map(([line]) => line);
}

describe("a rebuild", () => {
  test.each([true, false])("gives new disks on its image; running before, running after (%s)", async (running) => {
    const on = await made(running);
    const [identity, { addresses, keyName }] = [identityOf(on), await recordOf(on)];
    const { image, kept } = await rebuild(on);
    expect(image).toBe("debian12");
    expect(on.machine.domains.get(UUID)?.state).toBe(running ? "running" : "shutoff");
    expect(await disksOf(on)).toEqual(OF_IMAGE);
    expect(identityOf(on)).toEqual(identity);
    expect(await recordOf(on)).toMatchObject({ addresses, keyName, current: null, undo: kept.id });
    expect(await contentsOf(on, kept.id)).toEqual(WRITTEN);
    expect(kept).toMatchObject({ automatic: true, expiresAt: "2025-01-02T00:01:00.000Z" });
    await requireSound(on, "rebuilt");
  });

  test("gives the seed a new instance-id each time, and leaves what else it says", async () => {
    const on = await made();
    const ids = [await instanceIdOf(on)];
    for (let time = 0; time < 2; time += 1) {
      await rebuild(on);
      ids.push(await instanceIdOf(on));
    }
    expect(new Set(ids).size).toBe(3);
    const { seed } = await recordOf(on);
    expect(on.machine.files.get(seed ?? "")?.text).toContain("ssh-ed25519 AAAA me@here");
    await requireSound(on, "rebuilt twice");
  });

  test("is taken back by unrevert: disks, seed, image; and that is taken back, too", async () => {
    const on = await made();
    const first = await instanceIdOf(on);
    await rebuild(on, { image: "debian13" });
    const second = await instanceIdOf(on);
    expect(await disksOf(on)).toEqual(OF_OTHER);
    expect(await recordOf(on)).toMatchObject({ image: "img-debian13", base: { name: "debian13" } });
    await unrevert(on);
    expect(await disksOf(on)).toEqual(WRITTEN);
    expect(await recordOf(on)).toMatchObject({ image: "img-debian12", base: { name: "debian12" } });
    expect(await instanceIdOf(on)).toBe(first);
    await unrevert(on);
    expect(await disksOf(on)).toEqual(OF_OTHER);
    expect(await recordOf(on)).toMatchObject({ image: "img-debian13" });
    expect(await instanceIdOf(on)).toBe(second);
    await requireSound(on, "taken back twice");
  });

  test("forgets the host keys that ssh has seen, which are others from then on", async () => {
    const on = await made();
    const known = command(on).store.paths.knownHosts(UUID);
    for (const change of [() => rebuild(on), () => unrevert(on)]) {
      command(on).host.addFile(known, { format: "raw", text: "web1 ssh-ed25519 AAAA" });
      await change();
      expect(on.machine.files.has(known)).toBe(false);
    }
  });

  test("leaves snapshots of before to be reverted to, with the seed that was booted with then", async () => {
    const on = await made();
    const first = await instanceIdOf(on);
    await rebuild(on);
    write(on, 3, "rebuilt");
    await take(on, "s2");
    const second = await instanceIdOf(on);
    await revertSnapshot(command(on), "web1/s1", REVERT);
    expect(await disksOf(on)).toMatchObject({ vda: { 2: "first" } });
    expect(await instanceIdOf(on)).toBe(first);
    await revertSnapshot(command(on), "web1/s2", REVERT);
    expect(await disksOf(on)).toMatchObject({ vda: { 3: "rebuilt" } });
    expect(await instanceIdOf(on)).toBe(second);
    await requireSound(on, "to and fro");
  });

  test("resumes a memory of before with the seed of then", async () => {
    const on = await made();
    await take(on, "m1", { memory: true });
    await rebuild(on);
    await revertSnapshot(command(on), "web1/m1", REVERT);
    expect(await disksOf(on)).toEqual(WRITTEN);
    await requireSound(on, "resumed");
  });

  test("needs no image any more: the instance keeps the layers of the one that it was made from", async () => {
    const on = await made();
    await deleteImage(command(on), "debian12");
    await rebuild(on);
    expect(await disksOf(on)).toEqual(OF_IMAGE);
    await requireSound(on, "rebuilt");
    await deleteInstance(command(on), "web1", { keepVolumes: false });
    expect(on.machine.files.has("/fake/estrato/layers/lay-debian12-vda.qcow2")).toBe(false);
  });

  test("leaves an attached volume as it is", async () => {
    const on = await made(false);
    await deleteSnapshot(command(on), "web1/s1", { children: false });
    await createVolume(command(on), { name: "data", source: null, sizeBytes: 1 << 20 });
    await attachVolume(command(on), "web1", "data");
    await start(on);
    write(on, 1, "kept", "vdb");
    await rebuild(on);
    expect(await disksOf(on)).toEqual({ ...OF_IMAGE, vdb: { 1: "kept" } });
    await requireSound(on, "rebuilt");
  });

  test("has no seed left once no snapshot had it, and none at all after the instance", async () => {
    const on = await made();
    const { kept } = await rebuild(on);
    await rebuild(on);
    expect(seeds(on)).toHaveLength(3);
    for (const { id, seed } of Object.values((await stateOf(on)).snapshots))
      if (id === kept.id || seed !== undefined) await deleteSnapshot(command(on), id, { children: false });
    expect(seeds(on)).toHaveLength(2); // the first one is the instance's own
    await deleteInstance(command(on), "web1", { keepVolumes: false });
    expect(seeds(on)).toEqual([]);
  });

  test("keeps a disk that has grown as large as it is, and grows one that the image is larger than", async () => {
    const on = await made(false, (state) => {
      addImage(state, "large", ["vda"]);
      const layer = state.layers["lay-large-vda"];
      const disk = state.images["img-large"]?.disks[0];
      if (layer && disk) layer.sizeBytes = disk.sizeBytes = 4 << 20;
    });
    Object.assign(on.machine.files.get("/fake/estrato/layers/lay-large-vda.qcow2") ?? {}, { sizeBytes: 4 << 20 });
    const sizeOf = async () => {
      const { volumes, layers } = await stateOf(on);
      const volume = Object.values(volumes).find(({ instance }) => instance === UUID);
      return layers[volume?.head ?? ""]?.sizeBytes;
    };
    await rebuild(on, { image: "large" });
    expect(await sizeOf()).toBe(4 << 20);
    await rebuild(on, { image: "debian12" });
    expect(await sizeOf()).toBe(4 << 20);
    await unrevert(on);
    await requireSound(on, "sizes");
  });

  test.each([true, false])("leaves a disk as large as others have made it (running: %s)", async (running) => {
    const on = await made(false);
    const [disk] = command(on).host.parseDefinition(on.machine.domains.get(UUID)?.inactive ?? "").disks;
    await virsh(on, { do: "resize-disk", path: disk?.source ?? "", format: "qcow2", sizeBytes: 4 << 20 });
    await start(on);
    write(on, 60, "beyond");
    if (!running) await stop(on);
    await rebuild(on);
    if (!running) await start(on);
    expect((await command(on).host.qemuDisks(UUID))[0]?.sizeBytes).toBe(4 << 20);
    await unrevert(on);
    expect((await disksOf(on)).vda?.[60]).toBe("beyond");
    await requireSound(on, "grown");
  });

  test("on an encrypted image gives encrypted disks, and unrevert plain ones again", async () => {
    const secret = "99999999-2222-4333-8444-555555555555";
    const on = await made(false, (state) => {
      const layer = state.layers["lay-debian13-vda"];
      if (layer) layer.secret = secret;
    });
    on.machine.secrets.set(secret, { description: "", value: "sesame" });
    Object.assign(on.machine.files.get("/fake/estrato/layers/lay-debian13-vda.qcow2") ?? {}, { passphrase: "sesame" });
    const isEncrypted = () => on.machine.domains.get(UUID)?.inactive.includes(secret);
    await rebuild(on, { image: "debian13" });
    expect(isEncrypted()).toBe(true);
    const { layers, volumes } = await stateOf(on);
    const heads = Object.values(volumes).map(({ head }) => layers[head]?.secret);
    expect(heads).toEqual([secret]);
    await unrevert(on);
    expect(isEncrypted()).toBe(false);
  });

  test("in a dry run changes nothing, and names the commands", async () => {
    const on = await made();
    const [before, other] = [everything(on), copyOf(on)];
    const plan = await planned(other);
    expect(everything(other)).toBe(before);
    const titles = plan.steps.map(({ title }) => title);
    expect(titles).toEqual(expect.arrayContaining(["Record the new heads", "Make a new seed", "Start the guest"]));
  });

  test("of an adopted guest goes on from the image that is named", async () => {
    const on = withGuest();
    await command(on).store.update((draft) => addImage(draft, "debian13", ["vda"]));
    command(on).host.addFile("/fake/estrato/layers/lay-debian13-vda.qcow2", {
      mode: 0o400,
      content: { 0: "of lay-debian13-vda" },
    });
    const before = everything(on);
    await expect(rebuild(on)).rejects.toMatchObject({
      code: "conflict",
      message: "instance web1: it was made from no image",
      hint: "Name one: --image IMAGE.",
    });
    expect(everything(on)).toBe(before);
    const { kept } = await rebuild(on, { image: "debian13" });
    expect(await disksOf(on)).toEqual(OF_OTHER);
    expect(await contentsOf(on, kept.id)).toEqual({ vda: FIRST });
    await requireSound(on, "rebuilt");
    await rebuild(on);
    await unrevert(on);
    expect(await disksOf(on)).toEqual(OF_OTHER);
    await requireSound(on, "again");
  });

  /** web1, which has one disk of its own, gets the one of another guest that is deleted and leaves it. */
  const source = { kind: "image", target: "debian11" } as const;
  const ofEstrato = (on: Bed) => createInstance(command(on), creation({ name: "web2", source, keyName: null }));
  const FROM: [what: string, leaves: (on: Bed) => Promise<unknown>][] = [
    ["one that estrato made", ofEstrato],
    [
      "one that was there before, too",
      async (on) => {
        const { host } = command(on);
        host.addFile("/disks/web2.qcow2", { content: FIRST });
        const disks = [{ device: "vda", path: "/disks/web2.qcow2", format: "qcow2" }];
        host.addDomain({ name: "web2", uuid: UUID.replace(/^1/, "2"), running: false, disks });
        await adoptInstance(command(on), "web2");
      },
    ],
  ];

  test.each(FROM)("of an adopted guest leaves a volume without a name, of %s, as it is", async (_, leaves) => {
    const on = withGuest({ running: false });
    await command(on).store.update((draft) => {
      for (const name of ["debian11", "debian12", "debian13"]) addImage(draft, name, ["vda"]);
      addImage(draft, "two", ["vda", "vdb"]);
      for (const { id, file } of Object.values(draft.layers))
        command(on).host.addFile(file, { mode: 0o400, content: { 0: `of ${id}` } });
    });
    await leaves(on);
    await deleteInstance(command(on), "web2", { keepVolumes: true });
    const [volume] = Object.values((await stateOf(on)).volumes);
    await attachVolume(command(on), "web1", volume?.id ?? "");
    await start(on);
    write(on, 1, "kept", "vdb");
    const { vdb } = await disksOf(on);
    const domain = on.machine.domains.get(UUID);
    // Where virsh edit has taken the serial out, it is still known to be made of something.
    if (leaves === ofEstrato && domain) domain.inactive = domain.inactive.replace(/<serial>.*<\/serial>/, "");
    for (const image of ["debian12", "debian13", "debian12"]) {
      await rebuild(on, { image });
      expect(await disksOf(on)).toEqual({ vda: { 0: `of lay-${image}-vda` }, vdb });
      const before = everything(on);
      const refusal = { code: "conflict", message: "image two: it has 2 disks, and web1 1 of its own" };
      await expect(rebuild(on, { image: "two" })).rejects.toMatchObject(refusal);
      expect(everything(on)).toBe(before);
    }
    await requireSound(on, "rebuilt");
  });

  test("of an instance with UEFI gives it new variables where the image brings none; unrevert brings its own", async () => {
    const on = await made(false, (state) => {
      for (const image of Object.values(state.images)) image.uefi = true;
    });
    const xml = () => on.machine.domains.get(UUID)?.inactive ?? "";
    const nvram = () => command(on).host.parseDefinition(xml()).nvram ?? "";
    command(on).host.addFile(nvram(), { format: "raw", text: "boot order" });
    const before = nvram();
    await rebuild(on);
    expect(nvram()).not.toBe(before);
    expect(on.machine.files.has(nvram())).toBe(false); // libvirt makes it at the next start
    await unrevert(on);
    expect(on.machine.files.get(nvram())?.text).toBe("boot order");
  });
});

describe("a rebuild is refused, with nothing changed,", () => {
  /** One line, and all as before. */
  async function refused(on: Bed, change: Parameters<typeof rebuild>[1], error: object): Promise<void> {
    const before = everything(on);
    await expect(rebuild(on, change)).rejects.toMatchObject(error);
    expect(everything(on)).toBe(before);
  }

  test("for an image that is not there", async () => {
    await refused(await made(), { image: "none" }, { code: "not_found" });
  });

  test("where it boots from a volume", async () => {
    const on = newEstate();
    await createVolume(command(on), {
      name: "root",
      source: { kind: "image", target: "debian12", disk: null },
      sizeBytes: null,
    });
    await createInstance(command(on), creation({ source: { kind: "volume", target: "root" } }));
    await refused(on, {}, { code: "conflict", message: "instance web1: it was made from no image" });
    await refused(
      on,
      { image: "debian12" },
      { code: "conflict", message: "instance web1: it boots from a volume, and has no disk of its own" },
    );
  });

  test("for an image of more disks", async () => {
    const on = await made(true, (state) => addImage(state, "two", ["vda", "vdb"]));
    await refused(
      on,
      { image: "two" },
      { code: "conflict", message: "image two: it has 2 disks, and web1 1 of its own" },
    );
  });

  test("for an image of a guest with other firmware", async () => {
    const on = await made(true, (state) => {
      const image = state.images["img-debian13"];
      if (image) image.uefi = true;
    });
    await refused(
      on,
      { image: "debian13" },
      { code: "conflict", message: "image debian13: it is of a guest with UEFI, and web1 boots with BIOS" },
    );
  });

  test("for an image that needs more memory, or a larger disk than the flavor's", async () => {
    const on = await made(false, (state) => {
      const image = state.images["img-debian13"];
      if (image) image.minRamBytes = 1 << 30;
      addImage(state, "large", ["vda"]);
      const large = state.images["img-large"];
      if (large) large.minDiskBytes = 100 * 2 ** 30;
    });
    await refused(
      on,
      { image: "debian13" },
      { message: "image debian13: it needs 1 GiB of memory, and web1 has 256 MiB" },
    );
    await command(on).store.update((draft) => {
      const record = draft.instances[UUID];
      if (record) record.flavor = "tiny";
    });
    await refused(
      on,
      { image: "large" },
      {
        code: "conflict",
        message: "image large: it needs a disk of 100 GiB, and the flavor tiny of web1 gives 1 GiB",
      },
    );
  });

  test("where the image that is gone kept what a TPM held", async () => {
    const on = await made(false);
    await command(on).store.update((draft) => {
      const { base } = draft.instances[UUID] ?? {};
      if (base) base.tpm = true;
      delete draft.images["img-debian12"];
    });
    await refused(
      on,
      {},
      { code: "conflict", message: "image debian12 (deleted): what its TPM held went with it", hint: keepHint },
    );
  });

  test("where its memory is saved, or another operation is under way", async () => {
    const on = await made();
    await virsh(on, { do: "managed-save", domain: UUID } as never).catch(() => undefined);
    const domain = on.machine.domains.get(UUID);
    if (domain) Object.assign(domain, { managedSave: true, live: null, state: "shutoff" });
    await refused(on, {}, { code: "conflict" });
    if (domain) domain.managedSave = false;
    const locks = await command(on).store.lock([UUID], 0);
    await refused(on, {}, { code: "conflict", message: "instance web1: another operation is in progress" });
    await locks.release();
  });
});

const keepHint = "Name one: --image IMAGE.";

test("a TPM that the image says nothing of stays, and a note says so", async () => {
  const on = withTpm(await made(false), "second");
  const world = command(on);
  const { rebuildInstance } = await import("../../../../src/core/instances/rebuild.ts");
  await rebuildInstance(world, "web1", keep);
  expect(world.notes).toContain("web1: its TPM stays as it is: its image brings none");
  await stop(on).catch(() => undefined);
});
