import { describe, expect, test } from "vitest";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import type { FakeDomain } from "../../../fake/host-machine.ts";
import { type Bed, command, creation, everything, stop, take, UUID, virsh, withGuest } from "../world.ts";

function change(on: Bed, fields: Partial<FakeDomain>): void {
  Object.assign(on.machine.domains.get(UUID) ?? {}, fields);
}

async function bothRefused(on: Bed, code: string, words: string): Promise<void> {
  const before = everything(on);
  const error = expect.objectContaining({ code, message: expect.stringContaining(words) });
  await expect(createSnapshot(command(on), creation("s2"))).rejects.toEqual(error);
  await expect(createSnapshot(command(on, { dryRun: true }), creation("s2"))).rejects.toEqual(error);
  await expect(revertSnapshot(command(on), "web1/s1", { discard: false, keepMs: 1000 })).rejects.toEqual(error);
  expect(everything(on)).toBe(before);
}

async function prepared(): Promise<Bed> {
  const on = withGuest();
  await take(on, "s1");
  return on;
}

describe("snapshots and reverts are refused, in a dry run too, and nothing is changed", () => {
  const job = { device: "vda", type: "copy", finish: () => undefined, lose: () => undefined };
  test.each<[string, Partial<FakeDomain>, string]>([
    ["the domain is transient", { persistent: false }, "transient"],
    ["libvirt holds a saved memory state", { managedSave: true }, "saved memory state"],
    ["a block job is under way", { jobs: [job] }, "a block job (copy) is under way on vda"],
    ["only libvirt still sees a block job", { jobs: [{ ...job, ended: true }] }, "a block job on vda that has ended"],
    ["libvirt holds snapshots of its own", { snapshots: ["theirs"] }, "snapshots of its own (theirs)"],
    ["another backup tool has checkpoints", { checkpoints: ["c1"] }, "checkpoints (c1)"],
  ])("where %s", async (_, fields, words) => {
    const on = await prepared();
    change(on, fields);
    await bothRefused(on, "conflict", words);
  });

  test("where QEMU writes to another file than is recorded", async () => {
    const on = await prepared();
    const open = on.machine.domains.get(UUID)?.open[0];
    if (open) open.chain = ["/disks/web1-vda.qcow2"];
    await bothRefused(on, "integrity", "vda: QEMU uses /disks/web1-vda.qcow2");
  });

  test.each([true, false])("where the persistent definition names another file (running: %s)", async (running) => {
    const on = await prepared();
    if (!running) await stop(on);
    const disks = [{ device: "vda", path: "/disks/web1-vda.qcow2", format: "qcow2" }];
    await virsh(on, { do: "redefine", domain: UUID, disks });
    await bothRefused(on, "integrity", "vda: libvirt's persistent definition uses /disks/web1-vda.qcow2");
  });

  test("where libvirt's live definition names another file than QEMU writes", async () => {
    const on = await prepared();
    const domain = on.machine.domains.get(UUID);
    if (domain) domain.live = domain.live?.replace(/<source file='[^']*'/, "<source file='/elsewhere'") ?? null;
    await bothRefused(on, "integrity", "vda: libvirt's live definition uses /elsewhere");
  });

  test("where the disk is full", async () => {
    const on = await prepared();
    on.machine.freeBytes = 1024;
    await bothRefused(on, "host", "are free");
  });

  test("where another command works on the instance", async () => {
    const on = await prepared();
    on.disk.locks.set(UUID, {});
    const error = { code: "conflict" };
    await expect(createSnapshot(command(on), creation("s2"))).rejects.toMatchObject(error);
    await expect(revertSnapshot(command(on), "web1/s1", { discard: false, keepMs: 1 })).rejects.toMatchObject(error);
  });
});
