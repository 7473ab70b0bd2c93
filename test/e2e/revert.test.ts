import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
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

  it("comes back to a branch that it had left only when the merge there has ended", async () => {
    for (const [name, blocks] of Object.entries({ first: 1, second: 100, third: 1 })) {
      await rig.guest("web1", `dd if=/dev/urandom of=/root/${name} bs=64k count=${blocks} 2>/dev/null; sync`);
      await rig.ok("snapshot", "create", "web1", name);
    }
    const copy = await rig.copyOf("third");
    await rig.ok("instance", "stop", "web1");
    await rig.ok("snapshot", "revert", "web1/first", "--discard", "-y");
    // It has let go of the instance: no head stands on what it merges.
    const deletion = rig.start({ ESTRATO_TEST_STOP: "layer.merge:1:before" }, "snapshot", "delete", "web1/second");
    const deleted = new Promise<number | null>((done) => deletion.once("exit", done));
    await until("the merge has begun", async () =>
      /^State:\s+T/m.test(readFileSync(`/proc/${deletion.pid}/status`, "utf8")),
    );
    const early = await rig.estrato("snapshot", "revert", "web1/third");
    expect(early.code).toBe(5);
    expect(early.stderr).toMatch(/^estrato: instance web1: layer lay-\w+ is still being merged /m);
    deletion.kill("SIGCONT");
    expect(await deleted).toBe(0);
    await rig.ok("snapshot", "revert", "web1/third");
    await rig.requireSame("third", copy);
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok("instance", "start", "web1");
    expect(await rig.guest("web1", "cd /root; ls first second third")).toBe("first\nsecond\nthird");
  });

  it("is rebuilt as new under the same identity, with its volume, though its image is one no more; and that is taken back", async () => {
    const identity = async () => {
      const { id, macs, addresses } = await rig.json("instance", "show", "web1");
      return { id, macs, addresses };
    };
    // By its size: the letters that the guest gives are its own.
    const data = "data=/dev/$(cd /sys/block; grep -lx 32768 vd*/size | cut -d/ -f1)";
    const bootId = () => rig.guest("web1", "cat /var/lib/guest/instance-id");
    const snapshots = await rig.json<{ id: string }[]>("snapshot", "list", "web1");
    for (const { id } of snapshots) await rig.ok("snapshot", "delete", id);
    await rig.ok("volume", "create", "data", "--size", "16M");
    await rig.ok("volume", "attach", "web1", "data");
    await rig.guest("web1", `${data}; echo mine > mine.txt; echo kept | dd of=$data conv=fsync; sync`);
    await rig.ok("snapshot", "create", "web1", "mine");
    const here = (line: string) => rig.ok("instance", "ssh", "web1", "-i", rig.key, "--timeout", "10m", "--", line);
    expect(await here("hostname")).toBe("web1");
    const [before, first] = [await identity(), await bootId()];
    expect(first).toBe(before.id);

    await rig.ok("image", "delete", "base");
    expect((await rig.estrato("instance", "rebuild", "web1")).code).toBe(8);
    const { kept } = await rig.json<{ kept: string }>("instance", "rebuild", "web1", "-y");
    expect(kept).toMatch(/^before-rebuild-/);
    // Its host key is another one now, and that is no reason not to come in.
    expect(await here(`${data}; ls; head -n 1 $data; hostname`)).toBe("kept\nweb1");
    expect(await identity()).toEqual(before);
    const second = await bootId();
    expect(second).toMatch(/^[0-9a-f-]{36}$/);
    expect(second).not.toBe(first);

    await rig.ok("snapshot", "unrevert", "web1");
    expect(await rig.bySsh("web1", "cat mine.txt; cat /var/lib/guest/instance-id")).toBe(`mine\n${first}`);
    await rig.ok("instance", "rebuild", "web1", "-y");
    await rig.ok("snapshot", "revert", "web1/mine");
    expect(await rig.bySsh("web1", "cat mine.txt; cat /var/lib/guest/instance-id")).toBe(`mine\n${first}`);
    expect(await rig.json("doctor")).toEqual([]);
  });
});
