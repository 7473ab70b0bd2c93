/** Running guests: switches of their disks, and merges under them. */
import { expect, test } from "vitest";
import { addHead, chainOf, DISK_BYTES, definedHeads, defineGuest, type Rig, snapshot, startGuest } from "./rig.ts";

/** A running guest on base ← middle ← head, each layer with a cluster that the guest wrote, the lower two frozen. */
async function runningChain(rig: Rig): Promise<string> {
  const base = await rig.addImage("base", { content: { 0: "A", 1: "A" } });
  const uuid = await startGuest(rig, { vda: base });
  await snapshot(rig, uuid, "middle");
  await rig.guestWrite(uuid, "vda", 1, "B");
  await rig.guestWrite(uuid, "vda", 2, "B");
  await snapshot(rig, uuid, "head");
  await rig.guestWrite(uuid, "vda", 2, "C");
  return uuid;
}

const BEFORE = { 0: "A", 1: "B", 2: "C" };

export function liveContract(current: () => Rig): void {
  test("a switch puts the named disks onto their heads, in QEMU and in both definitions, and leaves the others", async () => {
    const rig = current();
    const one = await rig.addImage("one", { content: { 0: "A" } });
    const two = await rig.addImage("two");
    const uuid = await startGuest(rig, { vda: one, vdb: two });
    const head = await addHead(rig, "head", one);
    const disks = [{ device: "vda", path: head }];
    await rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: ["vdb"], quiesce: false });
    await rig.guestWrite(uuid, "vda", 1, "B");
    expect(await rig.host.qemuDisks(uuid)).toEqual([
      { device: "vda", chain: [head, one], sizeBytes: DISK_BYTES },
      { device: "vdb", chain: [two], sizeBytes: DISK_BYTES },
    ]);
    expect((await rig.host.domainStatus(uuid, "qemu"))?.qemu).toEqual(await rig.host.qemuDisks(uuid));
    expect(await definedHeads(rig, uuid)).toEqual(["head", "head"]);
    expect(await rig.read(one)).toEqual({ 0: "A" });
    expect(await rig.read(head)).toEqual({ 0: "A", 1: "B" });
    expect((await rig.host.domainStatus(uuid))?.snapshots).toEqual([]);
  });

  test("a guest that is off is not switched, and QEMU has nothing to say of it", async () => {
    const rig = current();
    const base = await rig.addImage("base");
    const uuid = await defineGuest(rig, { vda: base });
    const disks = [{ device: "vda", path: await addHead(rig, "head", base) }];
    await expect(
      rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: false }),
    ).rejects.toMatchObject({ code: "conflict" });
    await expect(rig.host.qemuDisks(uuid)).rejects.toMatchObject({ code: "conflict" });
    await expect(rig.host.qemuDisks("11111111-0000-4000-8000-0000000000ff")).rejects.toMatchObject({
      code: "not_found",
    });
  });

  test("a switch that cannot be made for one disk is made for none", async () => {
    const rig = current();
    const one = await rig.addImage("one");
    const two = await rig.addImage("two");
    const uuid = await startGuest(rig, { vda: one, vdb: two });
    const disks = [
      { device: "vda", path: await addHead(rig, "head", one) },
      { device: "vdb", path: `${rig.folder}/nothing` },
    ];
    await expect(
      rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: false }),
    ).rejects.toMatchObject({ code: "failed" });
    expect(await chainOf(rig, uuid)).toEqual(["one"]);
    expect(await definedHeads(rig, uuid)).toEqual(["one", "one"]);
  });

  test("a pull takes what lies between the head and its new base, from frozen files", async () => {
    const rig = current();
    const uuid = await runningChain(rig);
    const pull = { do: "block-pull", domain: uuid, device: "vda" } as const;
    for (const _ of ["once", "again"]) {
      await rig.host.perform({ ...pull, base: `${rig.folder}/base` });
      expect(await chainOf(rig, uuid)).toEqual(["head", "base"]);
    }
    for (const _ of ["once", "again"]) await rig.host.perform({ ...pull, base: null });
    expect(await chainOf(rig, uuid)).toEqual(["head"]);
    expect(await rig.read(`${rig.folder}/head`)).toEqual(BEFORE);
    expect(await rig.read(`${rig.folder}/middle`)).toEqual({ 0: "A", 1: "B", 2: "B" });
  });

  test("what a pull or a commit has moved is in the files, also where QEMU dies right after", async () => {
    const rig = current();
    const uuid = await runningChain(rig);
    await rig.host.perform({ do: "block-pull", domain: uuid, device: "vda", base: `${rig.folder}/base` });
    await rig.killQemu(uuid);
    expect((await rig.host.domainStatus(uuid))?.state).toBe("shutoff");
    expect(await rig.read(`${rig.folder}/head`)).toEqual(BEFORE);
    await rig.host.perform({ do: "start", domain: uuid, paused: false });
    const base = `${rig.folder}/base`;
    await rig.host.perform({ do: "set-mode", path: base, mode: 0o600 });
    await rig.host.perform({ do: "block-commit-active", domain: uuid, device: "vda", base });
    await rig.killQemu(uuid);
    expect(await rig.read(base)).toEqual(BEFORE);
  });

  test("a middle layer is committed down under a running guest, unless what it goes into is frozen", async () => {
    const rig = current();
    const uuid = await runningChain(rig);
    const base = `${rig.folder}/base`;
    const commit = { do: "block-commit", domain: uuid, device: "vda", top: `${rig.folder}/middle`, base } as const;
    await expect(rig.host.perform(commit)).rejects.toMatchObject({ code: "conflict" });
    expect(await chainOf(rig, uuid)).toEqual(["head", "middle", "base"]);
    await rig.host.perform({ do: "set-mode", path: base, mode: 0o600 });
    for (const _ of ["once", "again"]) {
      await rig.host.perform(commit);
      expect(await chainOf(rig, uuid)).toEqual(["head", "base"]);
    }
    expect(await rig.read(`${rig.folder}/head`)).toEqual(BEFORE);
    expect(await rig.read(base)).toEqual({ 0: "A", 1: "B", 2: "B" });
  });

  test("a head is committed down, and the guest goes on in the file below", async () => {
    const rig = current();
    const uuid = await runningChain(rig);
    const middle = `${rig.folder}/middle`;
    const commit = { do: "block-commit-active", domain: uuid, device: "vda", base: middle } as const;
    await expect(rig.host.perform(commit)).rejects.toMatchObject({ code: "conflict" });
    await rig.host.perform({ do: "set-mode", path: middle, mode: 0o600 });
    for (const _ of ["once", "again"]) {
      await rig.host.perform(commit);
      expect(await chainOf(rig, uuid)).toEqual(["middle", "base"]);
      expect(await definedHeads(rig, uuid)).toEqual(["middle", "middle"]);
    }
    await rig.guestWrite(uuid, "vda", 3, "D");
    expect(await rig.read(middle)).toEqual({ ...BEFORE, 3: "D" });
    expect((await rig.host.imageInfo(`${rig.folder}/head`))?.format).toBe("qcow2"); // nobody holds it any more
  });

  test("two guests on one layer pull freely, and neither writes into it", async () => {
    const rig = current();
    const base = await rig.addImage("base", { content: { 0: "A" } });
    const first = await startGuest(rig, { vda: await addHead(rig, "one", base) });
    const second = await startGuest(rig, { vda: await addHead(rig, "two", base) });
    const commit = { do: "block-commit-active", domain: first, device: "vda", base } as const;
    await expect(rig.host.perform(commit)).rejects.toMatchObject({ code: "conflict" });
    expect(await chainOf(rig, first)).toEqual(["one", "base"]);
    for (const domain of [first, second]) {
      await rig.host.perform({ do: "block-pull", domain, device: "vda", base: null });
      expect(await chainOf(rig, domain)).toHaveLength(1);
    }
    expect(await rig.read(base)).toEqual({ 0: "A" });
  });

  test("a job that a kill left behind is shown, and is brought to its end or called off", async () => {
    const rig = current();
    const uuid = await runningChain(rig);
    const base = `${rig.folder}/middle`;
    await rig.host.perform({ do: "set-mode", path: base, mode: 0o600 });
    const settle = { do: "settle-job", domain: uuid, device: "vda" } as const;
    await rig.leaveCommit(uuid, "vda", base);
    expect((await rig.host.domainStatus(uuid))?.jobs).toEqual([{ device: "vda", type: "active-commit" }]);
    for (const _ of ["once", "again"]) await rig.host.perform({ ...settle, abort: true });
    expect((await rig.host.domainStatus(uuid))?.jobs).toEqual([]);
    expect(await chainOf(rig, uuid)).toEqual(["head", "middle", "base"]);
    await rig.leaveCommit(uuid, "vda", base);
    for (const _ of ["once", "again"]) await rig.host.perform({ ...settle, abort: false });
    expect(await chainOf(rig, uuid)).toEqual(["middle", "base"]);
    expect(await rig.read(base)).toEqual(BEFORE);
    await rig.host.perform({ do: "destroy", domain: uuid });
    await rig.host.perform({ ...settle, abort: false });
  });

  test("somebody else's copy is neither ended nor pivoted to, and of a disk that is not there nothing is to be settled", async () => {
    const rig = current();
    const uuid = await runningChain(rig);
    const settle = { do: "settle-job", domain: uuid, device: "vda" } as const;
    for (const abort of [true, false]) await rig.host.perform({ ...settle, device: "vdb", abort });
    await rig.leaveCopy(uuid, "vda", `${rig.folder}/copy.qcow2`);
    for (const abort of [true, false])
      await expect(rig.host.perform({ ...settle, abort })).rejects.toMatchObject({ code: "conflict" });
    expect((await rig.host.domainStatus(uuid))?.jobs).toEqual([{ device: "vda", type: "copy" }]);
    expect(await chainOf(rig, uuid)).toEqual(["head", "middle", "base"]);
  });

  test("what QEMU has open for no disk it closes, and nothing else", async () => {
    const rig = current();
    const used = await rig.addImage("used", { content: { 0: "A" } });
    const left = await rig.addImage("left", { content: { 0: "B" } });
    const uuid = await startGuest(rig, { vda: used });
    const look = () => rig.host.imageInfo(left, { shared: false, format: "qcow2" });
    await rig.leaveOpen(uuid, left);
    await expect(look()).rejects.toMatchObject({ code: "conflict" });
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "close-unused", domain: uuid, path: left });
    expect(await look()).not.toBeNull();
    await rig.host.perform({ do: "close-unused", domain: uuid, path: used });
    await rig.guestWrite(uuid, "vda", 1, "A");
    expect(await rig.read(used)).toEqual({ 0: "A", 1: "A" });
    expect(await rig.read(left)).toEqual({ 0: "B" });
    await rig.host.perform({ do: "destroy", domain: uuid });
    await rig.host.perform({ do: "close-unused", domain: uuid, path: used });
  });

  test("a commit that a kill left behind is taken up by the next one", async () => {
    const rig = current();
    const uuid = await runningChain(rig);
    const base = `${rig.folder}/middle`;
    await rig.host.perform({ do: "set-mode", path: base, mode: 0o600 });
    await rig.leaveCommit(uuid, "vda", base);
    await rig.host.perform({ do: "block-commit-active", domain: uuid, device: "vda", base });
    expect(await chainOf(rig, uuid)).toEqual(["middle", "base"]);
    expect(await rig.read(base)).toEqual(BEFORE);
  });

  test("memory is saved with the switch, and resumes on other disks that stand on the same layer", async () => {
    const rig = current();
    const base = await rig.addImage("base", { content: { 0: "A" } });
    const uuid = await startGuest(rig, { vda: base });
    const memory = `${rig.folder}/memory`;
    const change = { do: "switch-disks", domain: uuid, excluded: [], quiesce: false, memory } as const;
    await rig.host.perform({ ...change, disks: [{ device: "vda", path: await addHead(rig, "head", base) }] });
    expect((await rig.host.fileInfo(memory))?.mode).toBe(0o600);
    expect(await chainOf(rig, uuid)).toEqual(["head", "base"]);
    const again = { ...change, disks: [{ device: "vda", path: await addHead(rig, "next", `${rig.folder}/head`) }] };
    await expect(rig.host.perform(again)).rejects.toMatchObject({ code: "conflict" });
    await rig.guestWrite(uuid, "vda", 1, "B");

    const other = await addHead(rig, "other", base);
    const disks = { vda: { path: other, format: "qcow2" } };
    const xml = rig.host.editDefinition(await rig.host.memoryDefinition(memory), { disks, dropBackingStore: true });
    const restore = { do: "restore-memory", domain: uuid, memory, xml, paused: false } as const;
    await expect(rig.host.perform(restore)).rejects.toMatchObject({ code: "conflict" });
    await rig.host.perform({ do: "define", xml });
    await rig.host.perform({ do: "destroy", domain: uuid });
    await rig.host.perform(restore);
    expect(await chainOf(rig, uuid)).toEqual(["other", "base"]);
    expect(await definedHeads(rig, uuid)).toEqual(["other", "other"]);
    expect(await rig.host.domainStatus(uuid)).toMatchObject({ state: "running", reason: "restored" });
    expect(await rig.read(other)).toEqual({ 0: "A" });
  });

  test("after its memory was saved while it was paused its QEMU commits nothing, until it is resumed", async () => {
    const rig = current();
    const uuid = await runningChain(rig);
    const base = `${rig.folder}/base`;
    await rig.host.perform({ do: "suspend", domain: uuid });
    expect(await rig.host.isAsleep(uuid)).toBe(false);
    const top = `${rig.folder}/${(await chainOf(rig, uuid))[0]}`;
    const disks = [{ device: "vda", path: await addHead(rig, "last", top) }];
    const memory = `${rig.folder}/memory`;
    await rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: false, memory });
    expect(await rig.host.isAsleep(uuid)).toBe(true);
    await rig.host.perform({ do: "set-mode", path: base, mode: 0o600 });
    const commit = { do: "block-commit", domain: uuid, device: "vda", top: `${rig.folder}/middle`, base } as const;
    await expect(rig.host.perform(commit)).rejects.toMatchObject({ code: "failed" });
    await rig.host.perform({ do: "resume", domain: uuid });
    expect(await rig.host.isAsleep(uuid)).toBe(false);
    await rig.host.perform(commit);
    expect(await chainOf(rig, uuid)).toEqual(["last", "head", "base"]);
    expect(await rig.read(base)).toEqual({ 0: "A", 1: "B", 2: "B" });
  });

  test("a disk is attached once, grows under the guest, and never shrinks", async () => {
    const rig = current();
    const uuid = await startGuest(rig, { vda: await rig.addImage("one") });
    const disk = { device: "vdb", path: await rig.addImage("two"), format: "qcow2", readonly: false, serial: "vol-2" };
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "attach-disk", domain: uuid, disk });
    const clash = { ...disk, path: await rig.addImage("three") };
    await expect(rig.host.perform({ do: "attach-disk", domain: uuid, disk: clash })).rejects.toMatchObject({
      code: "conflict",
    });
    const grow = { do: "block-resize", domain: uuid, device: "vdb" } as const;
    for (const _ of ["once", "again"]) await rig.host.perform({ ...grow, sizeBytes: 2 * DISK_BYTES });
    await expect(rig.host.perform({ ...grow, sizeBytes: DISK_BYTES })).rejects.toMatchObject({ code: "failed" });
    expect((await rig.host.qemuDisks(uuid)).find(({ device }) => device === "vdb")).toEqual({
      device: "vdb",
      chain: [disk.path],
      sizeBytes: 2 * DISK_BYTES,
    });
    await rig.host.perform({ do: "destroy", domain: uuid });
    expect((await rig.host.domainStatus(uuid))?.inactive.disks.map(({ device }) => device)).toEqual(["vda", "vdb"]);
    const detach = { do: "detach-disk", domain: uuid, device: "vdb", timeoutMs: 1000 } as const;
    for (const _ of ["once", "again"]) await rig.host.perform(detach);
    expect((await rig.host.domainStatus(uuid))?.inactive.disks.map(({ device }) => device)).toEqual(["vda"]);
  });

  test("a guest's screen is a private file", async () => {
    const rig = current();
    const uuid = await startGuest(rig, { vda: await rig.addImage("disk") });
    await rig.host.screenshot(uuid, `${rig.folder}/screen`);
    expect((await rig.host.fileInfo(`${rig.folder}/screen`))?.mode).toBe(0o600);
  });
}
