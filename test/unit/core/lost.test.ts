/** A guest that libvirt takes for off while its QEMU runs: everything that goes by "off" would be wrong. */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../src/core/doctor/doctor.ts";
import { deleteInstance } from "../../../src/core/instances/delete.ts";
import { startInstance } from "../../../src/core/instances/start.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../src/core/snapshots/delete.ts";
import { type Bed, command, creation, everything, stop, take, UUID, virsh, withGuest } from "./world.ts";

async function lost(): Promise<Bed> {
  const on = withGuest();
  await take(on, "s1");
  await take(on, "s2");
  await stop(on);
  return lose(on);
}

function lose(on: Bed): Bed {
  const domain = on.machine.domains.get(UUID);
  if (domain) domain.stray = 4711;
  return on;
}

describe("a guest that libvirt has lost", () => {
  test.each([
    ["start", (on: Bed) => startInstance(command(on), "web1")],
    ["snapshot create", (on: Bed) => createSnapshot(command(on), creation("s3"))],
    ["instance delete", (on: Bed) => deleteInstance(command(on), "web1", { keepVolumes: false })],
  ])("is touched by no verb (%s)", async (_, verb) => {
    const on = await lost();
    const before = everything(on);
    await expect(verb(on)).rejects.toMatchObject({ code: "integrity", message: expect.stringContaining("4711") });
    expect(everything(on)).toBe(before);
  });

  test("is all that doctor says of it, and repair leaves it alone", async () => {
    const on = await lost();
    await virsh(on, { do: "autostart", domain: UUID, on: false });
    const before = everything(on);
    expect((await examine(command(on))).map(({ problem }) => problem)).toEqual([expect.stringContaining("4711")]);
    expect((await repair(command(on))).map(({ result }) => result)).toEqual(["left"]);
    expect(everything(on)).toBe(before);
  });

  test("keeps its layers, also those that no snapshot needs any more", async () => {
    const on = await lost();
    const files = [...on.machine.files.keys()];
    await deleteSnapshot(command(on), "web1/s1", { children: false });
    expect([...on.machine.files.keys()]).toEqual(expect.arrayContaining(files.filter((path) => /layers/.test(path))));
    const domain = on.machine.domains.get(UUID);
    if (domain) domain.stray = null;
    await repair(command(on));
    expect([...on.machine.files.keys()].length).toBeLessThan(files.length);
  });

  test("is waited for by what a kill left behind", async () => {
    const on = withGuest();
    await take(on, "s1");
    const killed = command(on, { crash: { at: "write", index: 1, phase: "after" } });
    await createSnapshot(killed, creation("s2")).catch(() => undefined);
    on.disk.locks.clear();
    await stop(on);
    lose(on);
    const before = everything(on);
    expect((await repair(command(on))).map(({ problem }) => problem)).toContainEqual(expect.stringContaining("4711"));
    await expect(deleteSnapshot(command(on), "web1/s1", { children: false })).rejects.toMatchObject({
      code: "integrity",
    });
    expect(everything(on)).toBe(before);
  });
});
