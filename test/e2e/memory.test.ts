import { readdirSync, statSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, virsh } from "./rig.ts";

interface Shown {
  readonly memory: boolean;
  readonly consistency: string;
  readonly exclusive_bytes: number;
  readonly restorable: boolean;
  readonly restorable_reason: string | null;
  readonly requires: { readonly qemu_version: string; readonly machine: string } | null;
}

describe("memory", () => {
  let rig: Rig;
  const bootId = () => rig.guest("web1", "cat /proc/sys/kernel/random/boot_id");
  /** Lives in the guest's RAM alone. */
  const counter = async () => Number(await rig.guest("web1", "cat /run/counter"));
  const count = () =>
    rig.guest(
      "web1",
      "(i=$(cat /run/counter 2>/dev/null || echo 0); while :; do i=$((i+1)); echo $i > /run/counter.new; mv /run/counter.new /run/counter; sleep 0.1; done) >/dev/null 2>&1 </dev/null &",
    );
  const counts = async () => {
    const before = await counter();
    await until("it counts", async () => (await counter()) > before);
  };
  const memoryFiles = () => readdirSync(`${rig.home}/memory`);
  const show = (name: string) => rig.json<Shown>("snapshot", "show", `web1/${name}`);

  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await count();
  });

  it("goes on from the snapshot's counter after a revert, without a reboot, and says how long the guest stood still", async () => {
    const boot = await bootId();
    await rig.ok("snapshot", "create", "web1", "d0");
    const least = await counter();
    const made = await rig.estrato("snapshot", "create", "web1", "m1", "--memory", "-v");
    expect(made.code, made.stderr).toBe(0);
    expect(made.stderr).toMatch(/the guest stood still for \d+ ms/);
    const most = await counter();
    expect(await virsh("domstate", "web1")).toBe("running");

    const [file = ""] = memoryFiles();
    expect(statSync(`${rig.home}/memory/${file}`).mode & 0o777).toBe(0o400);
    expect(statSync(`${rig.home}/memory`).mode & 0o777).toBe(0o700);
    const shown = await show("m1");
    expect(shown).toMatchObject({ memory: true, consistency: "memory", restorable: true, restorable_reason: null });
    expect(shown.requires?.machine).toMatch(/^pc-q35-/);
    expect(shown.requires?.qemu_version).toMatch(/^\d+\.\d+/);
    expect(shown.exclusive_bytes).toBeGreaterThanOrEqual(statSync(`${rig.home}/memory/${file}`).size);

    await rig.guest("web1", "touch /run/later");
    const genid = await virsh("dumpxml", "web1");
    const reverted = await rig.estrato("snapshot", "revert", "web1/m1");
    expect(reverted.code, reverted.stderr).toBe(0);
    expect(reverted.stderr).toMatch(/what its memory held is lost; what its disks held is kept as before-revert-/);
    const now = await counter();
    expect(now).toBeGreaterThanOrEqual(least);
    expect(now).toBeLessThan(most + 200);
    await counts();
    expect(await bootId()).toBe(boot);
    const genidOf = (xml: string) => /<genid>(.*)<\/genid>/.exec(xml)?.[1];
    expect(genidOf(await virsh("dumpxml", "web1"))).not.toBe(genidOf(genid));
    const clock = Number(await rig.guest("web1", "date +%s"));
    expect(Math.abs(clock - Date.now() / 1000)).toBeLessThan(5);
  });

  it("CloudStack's exercise: a file, a snapshot with memory, the file deleted, a revert, the file equal, the snapshot deleted, nothing left", async () => {
    await rig.guest("web1", "dd if=/dev/urandom of=/root/random bs=64k count=32 2>/dev/null; sync");
    const sum = await rig.guest("web1", "md5sum /root/random");
    await rig.ok("snapshot", "create", "web1", "exercise", "--memory");
    await rig.guest("web1", "rm /root/random; sync");
    await rig.ok("snapshot", "revert", "web1/exercise", "--discard", "-y");
    expect(await rig.guest("web1", "md5sum /root/random; echo 3 > /proc/sys/vm/drop_caches")).toBe(sum);
    expect(await rig.guest("web1", "md5sum /root/random")).toBe(sum);
    const before = memoryFiles();
    await rig.ok("snapshot", "delete", "web1/exercise");
    expect(memoryFiles()).toHaveLength(before.length - 1);
    expect(await rig.ok("snapshot", "list", "web1", "--filter", "name=exercise", "-f", "json")).toBe("[]");
    await counts();
  });

  it("any node of a tree, with snapshots of disks before and after, from off and from running", async () => {
    const boot = await bootId();
    await rig.ok("snapshot", "create", "web1", "d2");
    await rig.guest("web1", "echo later > /root/state; sync");
    await rig.ok("snapshot", "create", "web1", "m3", "--memory");
    await rig.ok("snapshot", "create", "web1", "d4");
    await rig.ok("snapshot", "revert", "web1/d2");
    expect(await bootId()).not.toBe(boot);
    await rig.ok("snapshot", "revert", "web1/m3");
    expect(await bootId()).toBe(boot);
    expect(await rig.guest("web1", "cat /root/state")).toBe("later");
    await counts();
    await rig.ok("instance", "stop", "web1", "--force");
    await rig.ok("snapshot", "revert", "web1/m1");
    expect(await bootId()).toBe(boot);
    expect(await rig.guest("web1", "cat /root/state 2>/dev/null || echo none")).toBe("none");
    await counts();
    // The snapshots below and above go, and m3 still resumes.
    for (const name of ["d2", "d4"]) await rig.ok("snapshot", "delete", `web1/${name}`);
    await rig.ok("snapshot", "revert", "web1/m3");
    expect(await bootId()).toBe(boot);
    expect(await rig.guest("web1", "cat /root/state; e=$(dmesg | grep -c 'EXT4-fs error'); echo $e")).toBe("later\n0");
    await rig.ok("snapshot", "unrevert", "web1");
    await rig.heal();
  });

  it("a paused instance stays paused, and is paused again after a revert", async () => {
    await count();
    const boot = await bootId(); // the kernel makes it up when it is first read
    await rig.ok("instance", "pause", "web1");
    await rig.ok("snapshot", "create", "web1", "still", "--memory");
    expect(await virsh("domstate", "web1")).toBe("paused");
    await rig.ok("instance", "resume", "web1");
    await rig.ok("snapshot", "revert", "web1/still");
    expect(await virsh("domstate", "web1")).toBe("paused");
    await rig.ok("instance", "resume", "web1");
    expect(await bootId()).toBe(boot);
    await counts();
  });

  it("refuses what would not fit: a disk left out, a disk that came later, an instance that is off, another name", async () => {
    const left = await rig.estrato("snapshot", "create", "web1", "x", "--memory", "--exclude-disk", "vda");
    expect(left).toMatchObject({ code: 2 });
    await sure("qemu-img", "create", "-q", "-f", "qcow2", `${rig.folder}/extra.qcow2`, "16M");
    await virsh("attach-disk", "web1", `${rig.folder}/extra.qcow2`, "vdb", "--subdriver", "qcow2", "--persistent");
    const added = await rig.estrato("snapshot", "revert", "web1/m1");
    expect(added).toMatchObject({ code: 5 });
    expect(added.stderr).toMatch(/its memory knows nothing of vdb/);
    expect(await show("m1")).toMatchObject({ restorable: false });
    expect(await rig.ok("snapshot", "show", "web1/d0", "-f", "value", "-c", "restorable")).toBe("true");
    await virsh("detach-disk", "web1", "vdb", "--persistent");
    await rig.ok("instance", "stop", "web1", "--force");
    const off = await rig.estrato("snapshot", "create", "web1", "x", "--memory");
    expect(off).toMatchObject({ code: 5 });
    expect(off.stderr).toMatch(/it is off and has no memory to save/);
    await rig.ok("instance", "set", "web1", "--name", "shop");
    const renamed = await rig.estrato("snapshot", "revert", "shop/m1");
    expect(renamed).toMatchObject({ code: 5 });
    expect(renamed.stderr).toMatch(/was saved under the name web1/);
    await rig.ok("instance", "set", "shop", "--name", "web1");
    await rig.ok("snapshot", "revert", "web1/m1");
    await counts();
  });

  it("a resize names the snapshots with memory, asks, and drops them; those of disks stay", async () => {
    expect(await rig.estrato("instance", "resize", "web1", "--ram", "160M")).toMatchObject({ code: 5 });
    const unasked = await rig.estrato("instance", "resize", "web1", "--ram", "160M", "--restart");
    expect(unasked).toMatchObject({ code: 8 });
    for (const name of ["m1", "m3", "still"]) expect(unasked.stderr).toContain(`web1/${name}`);
    expect(await rig.ok("instance", "show", "web1", "-f", "value", "-c", "ram_bytes")).toBe(String(128 * 2 ** 20));
    // Sizes that are not to be had: refused before the guest is told anything.
    const up = await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id");
    for (const [wrong, code] of [
      [["--ram", "7000T"], 6],
      [["--vcpus", "4097"], 2],
      [["--ram", "1K"], 2],
    ] as const) {
      expect(await rig.estrato("instance", "resize", "web1", ...wrong, "--restart", "-y")).toMatchObject({ code });
    }
    expect(await rig.guest("web1", "cat /proc/sys/kernel/random/boot_id")).toBe(up);
    expect(memoryFiles()).not.toEqual([]);
    await rig.ok("instance", "resize", "web1", "--ram", "160M", "--vcpus", "2", "--restart", "-y");
    expect(memoryFiles()).toEqual([]);
    const left = await rig.json<{ name: string; memory: boolean }[]>("snapshot", "list", "web1");
    expect(left.some((one) => one.memory)).toBe(false);
    expect(left.map((one) => one.name)).toContain("d0");
    expect(await rig.guest("web1", "nproc")).toBe("2");
    await rig.ok("instance", "stop", "web1", "--force");
    await rig.ok("instance", "resize", "web1", "--ram", "128M", "--vcpus", "1");
    expect(await rig.ok("instance", "show", "web1", "-f", "value", "-c", "ram_bytes")).toBe(String(128 * 2 ** 20));
    await rig.heal();
  });
});
