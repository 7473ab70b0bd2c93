import { beforeAll, describe, expect, it } from "vitest";
import { makeRig, type Rig, virsh } from "./rig.ts";

describe("the upgrade gone wrong", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
  });

  it("boots as before after a revert, running if it was running, and the broken state is back after an unrevert", async () => {
    await rig.guest("web1", "echo good > /etc/release-of-test; sync");
    await rig.ok("snapshot", "create", "web1", "before-upgrade");
    await rig.guest("web1", "echo broken > /etc/release-of-test; rm -f /etc/hostname; sync");

    await rig.ok("snapshot", "revert", "web1/before-upgrade");
    // As a person would: it has only begun to boot.
    const asked = ["instance", "ssh", "web1", "-i", rig.key, "--timeout", "10m", "--", "cat /etc/release-of-test"];
    expect(await rig.ok(...asked)).toBe("good");
    await rig.guest("web1", "echo better > /etc/release-of-test; sync");

    await rig.ok("snapshot", "unrevert", "web1");
    expect(await rig.guest("web1", "cat /etc/release-of-test")).toBe("broken");
    await rig.ok("snapshot", "unrevert", "web1");
    expect(await rig.guest("web1", "cat /etc/release-of-test")).toBe("better");
  });

  it("leaves an instance off that was off", async () => {
    await rig.ok("instance", "stop", "web1");
    await rig.ok("snapshot", "revert", "web1/before-upgrade");
    expect(await virsh("domstate", "web1")).toBe("shut off");
    await rig.ok("instance", "start", "web1");
    expect(await rig.guest("web1", "cat /etc/release-of-test")).toBe("good");
  });

  it("keeps nothing with --discard, which needs a yes, and then there is nothing to undo", async () => {
    const unasked = await rig.estrato("snapshot", "revert", "web1/before-upgrade", "--discard");
    expect(unasked.code).toBe(8);
    await rig.ok("snapshot", "revert", "web1/before-upgrade", "--discard", "-y");
    const undo = await rig.estrato("snapshot", "unrevert", "web1");
    expect(undo.code).toBe(5);
    expect(undo.stderr).toMatch(/^estrato: instance web1: there is no revert to undo\. .*\n$/);
  });
});
