/** Merges by qemu-img, of files that no guest holds. */
import { expect, test } from "vitest";
import { addHead, type Rig, snapshot, startGuest } from "./rig.ts";

interface Chain {
  readonly base: string;
  readonly middle: string;
  readonly head: string;
}

/** base ← middle ← head, each with a cluster of its own and one that hides the one below. */
async function addChain(rig: Rig): Promise<Chain> {
  const base = await rig.addImage("base", { content: { 0: "A", 1: "A" } });
  const middle = await addHead(rig, "middle", base);
  await rig.write(middle, 1, "B");
  await rig.write(middle, 2, "B");
  const head = await addHead(rig, "head", middle);
  await rig.write(head, 2, "C");
  await rig.write(head, 3, "C");
  return { base, middle, head };
}

const BEFORE = { 0: "A", 1: "B", 2: "C", 3: "C" };

export function mergeContract(current: () => Rig): void {
  test("a commit moves the layer's own data into the file below, and may be repeated", async () => {
    const rig = current();
    const { base, middle, head } = await addChain(rig);
    for (const _ of ["once", "again"]) {
      await rig.host.perform({ do: "commit", top: middle, topFormat: "qcow2", base });
      expect(await rig.read(base)).toEqual({ 0: "A", 1: "B", 2: "B" });
      expect(await rig.read(head)).toEqual(BEFORE);
    }
    await rig.host.perform({ do: "relink", file: head, backing: { path: base, format: "qcow2" } });
    await rig.host.perform({ do: "unlink", path: middle });
    expect(await rig.read(head)).toEqual(BEFORE);
    expect((await rig.host.imageInfo(head))?.backing).toBe(base);
  });

  test("a frozen file is never committed into, nor rebased, relinked or resized", async () => {
    const rig = current();
    const { base, middle, head } = await addChain(rig);
    for (const path of [base, middle]) await rig.host.perform({ do: "set-mode", path, mode: 0o400 });
    const backing = { path: base, format: "qcow2" };
    const refused = [
      { do: "commit", top: middle, topFormat: "qcow2", base },
      { do: "rebase", file: middle, backing: null },
      { do: "relink", file: middle, backing },
      { do: "resize-disk", path: middle, format: "qcow2", sizeBytes: 2 ** 24 },
    ] as const;
    for (const action of refused) {
      await expect(rig.host.perform(action)).rejects.toMatchObject({ code: "conflict" });
    }
    expect(await rig.read(head)).toEqual(BEFORE);
  });

  test("a layer is committed only into what it stands on", async () => {
    const rig = current();
    const { base, head } = await addChain(rig);
    await expect(rig.host.perform({ do: "commit", top: head, topFormat: "qcow2", base })).rejects.toMatchObject({
      code: "integrity",
    });
    expect(await rig.read(base)).toEqual({ 0: "A", 1: "A" });
  });

  test("a rebase takes over what lay between, and may be repeated", async () => {
    const rig = current();
    const { base, middle, head } = await addChain(rig);
    for (const _ of ["once", "again"]) {
      await rig.host.perform({ do: "rebase", file: head, backing: { path: base, format: "qcow2" } });
      expect(await rig.read(head)).toEqual(BEFORE);
      expect((await rig.host.imageInfo(head))?.backing).toBe(base);
    }
    await rig.host.perform({ do: "unlink", path: middle });
    await rig.host.perform({ do: "rebase", file: head, backing: null });
    await rig.host.perform({ do: "unlink", path: base });
    expect(await rig.read(head)).toEqual(BEFORE);
    expect((await rig.host.imageInfo(head))?.backing).toBeNull();
  });

  test("a rebase that may stop is cut by an interruption, reads the same, and may be repeated", async () => {
    const rig = current();
    const { head } = await addChain(rig);
    const action = { do: "rebase", file: head, backing: null, mayStop: true } as const;
    const cut = rig.host.perform(action, { signal: AbortSignal.abort() });
    await expect(cut).rejects.toMatchObject({ code: "interrupted" });
    expect(await rig.read(head)).toEqual(BEFORE);
    await rig.host.perform(action, { signal: new AbortController().signal });
    expect((await rig.host.imageInfo(head))?.backing).toBeNull();
    expect(await rig.read(head)).toEqual(BEFORE);
  });

  test("what a running guest stands on is not written by a merge of files", async () => {
    const rig = current();
    const { base, middle, head } = await addChain(rig);
    const other = await addHead(rig, "other", base);
    await startGuest(rig, { vda: head });
    const refused = [
      { do: "commit", top: other, topFormat: "qcow2", base },
      { do: "rebase", file: middle, backing: null },
      { do: "relink", file: head, backing: { path: base, format: "qcow2" } },
    ] as const;
    for (const action of refused) {
      await expect(rig.host.perform(action)).rejects.toMatchObject({ code: "conflict" });
    }
    await rig.host.perform({ do: "rebase", file: other, backing: null });
  });

  test("a definition is told of a merge, so that the guest starts after it", async () => {
    const rig = current();
    const base = await rig.addImage("base", { content: { 0: "A" } });
    const uuid = await startGuest(rig, { vda: base });
    await snapshot(rig, uuid, "middle");
    await rig.guestWrite(uuid, "vda", 1, "B");
    const head = await snapshot(rig, uuid, "head");
    await rig.host.perform({ do: "destroy", domain: uuid });
    const middle = `${rig.folder}/middle`;
    await rig.host.perform({ do: "set-mode", path: base, mode: 0o600 });
    await rig.host.perform({ do: "commit", top: middle, topFormat: "qcow2", base });
    await rig.host.perform({ do: "relink", file: head, backing: { path: base, format: "qcow2" } });
    const disks = [{ device: "vda", path: head, format: "qcow2" }];
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "redefine", domain: uuid, disks });
    await rig.host.perform({ do: "unlink", path: middle });
    await rig.host.perform({ do: "start", domain: uuid, paused: false });
    expect(await rig.read(head)).toEqual({ 0: "A", 1: "B" });
  });
}
