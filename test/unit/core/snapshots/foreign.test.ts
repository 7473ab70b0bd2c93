/** Snapshots that libvirt itself holds: they have a name, and every verb says what it does with it. */
import { describe, expect, test } from "vitest";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { setSnapshot } from "../../../../src/core/snapshots/set.ts";
import { showSnapshot } from "../../../../src/core/snapshots/show.ts";
import { type Bed, command, everything, UUID, withGuest } from "../world.ts";

function held(): Bed {
  const on = withGuest();
  on.machine.domains.get(UUID)?.snapshots.push("theirs");
  return on;
}

describe("a snapshot of libvirt's", () => {
  test.each(["libvirt:theirs", "web1/libvirt:theirs"])("is shown as %s, and how to revert to it", async (target) => {
    expect(await showSnapshot(command(held()), target)).toMatchObject({
      id: "libvirt:theirs",
      type: "libvirt",
      instance: "web1",
      restorable: false,
      restorable_reason:
        "libvirt holds it, and estrato does not touch it. Revert to it with virsh: virsh snapshot-revert web1 theirs.",
    });
  });

  test("that is not there, or that two guests have, is said to be so", async () => {
    const on = held();
    const show = (target: string) => showSnapshot(command(on), target);
    await expect(show("libvirt:nosuch")).rejects.toMatchObject({ code: "not_found" });
    command(on).host.addDomain({
      name: "web2",
      uuid: "22222222-2222-4333-8444-555555555555",
      disks: [],
      running: false,
    });
    on.machine.domains.get("22222222-2222-4333-8444-555555555555")?.snapshots.push("theirs");
    await expect(show("libvirt:theirs")).rejects.toMatchObject({
      code: "not_found",
      message: "snapshot libvirt:theirs: ambiguous: web1/libvirt:theirs, web2/libvirt:theirs",
    });
    expect((await show("web2/libvirt:theirs")).instance).toBe("web2");
  });

  const OPTIONS = { name: "mine", description: null, properties: {}, dropProperties: [] };
  test.each([
    ["deleted", "virsh snapshot-delete web1 theirs", deleteIt],
    ["reverted to", "virsh snapshot-revert web1 theirs", revertToIt],
    ["renamed", "With virsh alone", renameIt],
  ])("is not %s, and the line names virsh's way", async (_, way, act) => {
    const on = held();
    const before = everything(on);
    await expect(act(on)).rejects.toMatchObject({
      code: "conflict",
      message: "snapshot libvirt:theirs: libvirt holds it, and estrato does not touch it",
      hint: expect.stringContaining(way),
    });
    expect(everything(on)).toBe(before);
  });

  function deleteIt(on: Bed) {
    return deleteSnapshot(command(on), "web1/libvirt:theirs", { children: false });
  }
  function revertToIt(on: Bed) {
    return revertSnapshot(command(on), "web1/libvirt:theirs", { discard: false, keepMs: 1000 });
  }
  function renameIt(on: Bed) {
    return setSnapshot(command(on), "libvirt:theirs", { ...OPTIONS } as never);
  }
});
