/** What libvirt keeps of emulated TPMs. */
import { expect, test } from "vitest";
import { defineGuest, type Rig } from "./rig.ts";

const TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";

export function tpmContract(current: () => Rig): void {
  /** A domain with a TPM that has never run; and where libvirt will have what that keeps. */
  async function guestWithTpm(rig: Rig): Promise<{ readonly uuid: string; readonly place: string }> {
    const uuid = await defineGuest(rig, { vda: await rig.addImage("disk") });
    const { inactive } = (await rig.host.domainStatus(uuid)) ?? {};
    await rig.host.perform({ do: "define", xml: (inactive?.xml ?? "").replace("</devices>", TPM) });
    return { uuid, place: (await rig.host.domainStatus(uuid))?.inactive.tpm ?? "" };
  }

  const same = (rig: Rig, a: string, b: string) =>
    rig.host.sameContent({ path: a, format: "raw" }, { path: b, format: "raw" });

  test("a guest has what was placed for it before its first start, and it goes when the guest has gone", async () => {
    const rig = current();
    const { uuid, place } = await guestWithTpm(rig);
    const copy = `${rig.folder}/copy.tpm`;
    const save = { do: "save-tpm", from: place, to: copy } as const;
    await rig.host.perform({ do: "start", domain: uuid, paused: true });
    await rig.host.perform(save);
    expect(await rig.host.fileInfo(copy)).toMatchObject({ mode: 0o400 });
    const exchange = { do: "place-tpm", domain: uuid, from: copy, to: place } as const;
    await expect(rig.host.perform(exchange)).rejects.toMatchObject({ code: "conflict" });
    await rig.host.perform({ do: "destroy", domain: uuid });
    await expect(rig.host.perform({ do: "remove-tpm", domain: uuid })).rejects.toMatchObject({ code: "conflict" });
    await rig.host.perform({ do: "undefine", domain: uuid, nvram: false });
    for (const _ of ["once", "again"]) await rig.host.perform({ do: "remove-tpm", domain: uuid });
    expect(await rig.host.fileInfo(place)).toBeNull();
    for (const _ of ["once", "again"]) await rig.host.perform(exchange);
    expect(await same(rig, copy, place)).toBe(true);
    expect(await rig.host.fileInfo(place)).toMatchObject({ mode: 0o600 });
    const again = await guestWithTpmAt(rig, uuid);
    await rig.host.perform({ do: "start", domain: again, paused: true });
    expect(await same(rig, copy, place)).toBe(true); // it has not run yet
  });

  /** The same domain once more. */
  async function guestWithTpmAt(rig: Rig, uuid: string): Promise<string> {
    const xml = await rig.host.newDefinition({
      name: "again",
      uuid,
      vcpus: 1,
      ramBytes: 64 * 2 ** 20,
      disks: [],
      interfaces: [],
      consoleLog: `${rig.folder}/again.console`,
    });
    await rig.host.perform({ do: "define", xml: xml.replace("</devices>", TPM) });
    return uuid;
  }

  test("a copy that is there is not made again, and what is no file is not copied", async () => {
    const rig = current();
    const first = await rig.addImage("first", { format: "raw", content: { 0: "A" } });
    const second = await rig.addImage("second", { format: "raw", content: { 0: "B" } });
    const to = `${rig.folder}/copy.tpm`;
    for (const from of [first, second]) await rig.host.perform({ do: "save-tpm", from, to });
    expect(await same(rig, first, to)).toBe(true);
    await expect(rig.host.perform({ do: "save-tpm", from: `${rig.folder}/nothing`, to: `${to}2` })).rejects.toThrow();
    expect(await rig.host.fileInfo(`${to}2`)).toBeNull();
  });
}
