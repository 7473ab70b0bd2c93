/** The guest agent: answering, silent, frozen. */
import { expect, test } from "vitest";
import { addHead, chainOf, type Rig, startGuest } from "./rig.ts";

export function agentContract(current: () => Rig): void {
  test("a guest without an agent is silent, and a quiesced switch of it is refused", async () => {
    const rig = current();
    const base = await rig.addImage("base");
    const uuid = await startGuest(rig, { vda: base });
    await rig.silence?.(uuid);
    expect(await rig.host.agentPing(uuid, 1000)).toBe(false);
    expect(await rig.host.agentFreezeStatus(uuid)).toBeNull();
    expect(await rig.host.agentAddresses(uuid)).toBeNull();
    await rig.host.perform({ do: "thaw", domain: uuid });
    const disks = [{ device: "vda", path: await addHead(rig, "head", base) }];
    await expect(
      rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: true }),
    ).rejects.toMatchObject({ code: "failed" });
    expect(await chainOf(rig, uuid)).toEqual(["base"]);
  });

  test("a guest with an agent answers, is quiesced within a switch and thawed after it", async () => {
    const rig = current();
    const uuid = await rig.bootedGuest("booted");
    expect(await rig.host.agentPing(uuid, 5000)).toBe(true);
    expect(await rig.host.agentFreezeStatus(uuid)).toBe("thawed");
    expect(await rig.host.agentAddresses(uuid)).toBeInstanceOf(Array);
    const [disk] = await rig.host.qemuDisks(uuid);
    const base = disk?.chain[0] ?? "";
    const sizeBytes = disk?.sizeBytes ?? 0;
    const path = `${rig.folder}/head`;
    await rig.host.perform({ do: "create-disk", path, backing: { path: base, format: "qcow2" }, sizeBytes });
    const disks = [{ device: "vda", path }];
    await rig.host.perform({ do: "switch-disks", domain: uuid, disks, excluded: [], quiesce: true });
    expect(await rig.host.agentFreezeStatus(uuid)).toBe("thawed");
    expect((await rig.host.qemuDisks(uuid))[0]?.chain.slice(0, 2)).toEqual([path, base]);
    const data = { device: "vdb", path: await rig.addImage("data"), format: "qcow2", readonly: false, serial: null };
    await rig.host.perform({ do: "attach-disk", domain: uuid, disk: data });
    const detach = { do: "detach-disk", domain: uuid, device: "vdb", timeoutMs: 30_000 } as const;
    for (const _ of ["once", "again"]) await rig.host.perform(detach);
    expect((await rig.host.qemuDisks(uuid)).map(({ device }) => device)).toEqual(["vda"]);
    expect((await rig.host.imageInfo(data.path))?.format).toBe("qcow2"); // nobody holds it
    await rig.freeze(uuid);
    expect(await rig.host.agentFreezeStatus(uuid)).toBe("frozen");
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "thaw", domain: uuid });
    expect(await rig.host.agentFreezeStatus(uuid)).toBe("thawed");
    await rig.host.perform({ do: "shutdown", domain: uuid, timeoutMs: 60_000, thenDestroy: false });
    expect((await rig.host.domainStatus(uuid))?.state).toBe("shutoff");
  });
}
