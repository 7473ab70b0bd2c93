import { beforeAll, describe, expect, it } from "vitest";
import { libvirtd, makeRig, type Rig, sure } from "./rig.ts";

const pause = (ms: number) => new Promise((next) => setTimeout(next, ms));

describe("libvirtd killed at many instants", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await rig.guest("web1", "echo first > /root/log; sync");
    await rig.ok("snapshot", "create", "web1", "kept");
  });

  /** After any of them: repaired (with a stop and start where libvirt lies), everything that was synced is there, nothing is frozen. */
  const requireWhole = async (copy: string, last: string) => {
    const healed = await rig.estrato("doctor", "--repair", "-y", "--lock-timeout", "60s");
    if (healed.code === 9) {
      await rig.ok("instance", "stop", "web1");
      await rig.ok("instance", "start", "web1");
    }
    await rig.heal();
    await rig.requireSame("kept", copy);
    expect(await rig.guest("web1", "tail -1 /root/log")).toBe(last);
    await rig.guest("web1", "echo alive > /root/alive; sync");
  };

  it("of the switch: the guest goes on with all it wrote, thawed, and the finished snapshot reads the same", async () => {
    const copy = await rig.copyOf("kept");
    for (let delay = 60; delay <= 420; delay += 30) {
      const command = rig.estrato("snapshot", "create", "web1", `at-${delay}`, "--lock-timeout", "60s");
      await pause(delay);
      await libvirtd("kill");
      await command;
      await libvirtd("start");
      await rig.estrato("doctor", "--repair", "-y", "--lock-timeout", "60s");
      await rig.guest("web1", `echo at-${delay} >> /root/log; sync`);
      await requireWhole(copy, `at-${delay}`);
    }
  });

  it("of a pivot: the adopted guest's own file ends with all it wrote", async () => {
    // A foreign base is the case where a head goes down and pivots.
    await rig.ok("instance", "stop", "web1");
    const file = `${rig.folder}/own.raw`;
    await sure("qemu-img", "convert", "-O", "raw", rig.base, file);
    const xml = (await sure("virsh", "dumpxml", "--inactive", "web1"))
      .replace(/<name>.*<\/name>/, "<name>own</name>")
      .replace(/<uuid>.*<\/uuid>/, "")
      .replace(/<genid>.*<\/genid>/, "")
      .replace(
        /(<disk type='file' device='disk'>\s*<driver name='qemu' type=')qcow2('[^>]*>\s*)<source file='[^']*'/,
        `$1raw$2<source file='${file}'`,
      )
      .replace(/<serial>.*<\/serial>/g, "")
      .replace(/52:54:00:..:..:../g, "52:54:00:aa:bb:cc")
      .replace(/[^']*consoles\/[^']*\.log/g, `${rig.folder}/own-console.log`);
    const path = `${rig.folder}/own.xml`;
    await sure("sh", "-c", 'printf %s "$1" > "$2"', "sh", xml, path);
    await sure("virsh", "define", path);
    await sure("virsh", "start", "own");
    let last = "";
    for (let delay = 100; delay <= 500; delay += 40) {
      await rig.ok("snapshot", "create", "own", "s");
      await rig.guest(
        "own",
        `dd if=/dev/urandom of=/root/data bs=64k count=8 2>/dev/null; echo p-${delay} >> /root/log; sync`,
      );
      last = `p-${delay}`;
      const command = rig.estrato("snapshot", "delete", "own/s", "--lock-timeout", "60s");
      await pause(delay);
      await libvirtd("kill");
      await command;
      await libvirtd("start");
      const healed = await rig.estrato("doctor", "--repair", "-y", "--lock-timeout", "60s");
      await rig.guest("own", `echo after-${delay} >> /root/log; sync`);
      if (healed.code === 9) {
        await rig.ok("instance", "stop", "own");
        await rig.ok("instance", "start", "own");
      }
      await rig.heal();
      expect((await rig.guest("own", "tail -2 /root/log")).split("\n")).toEqual([last, `after-${delay}`]);
      if ((await rig.json<unknown[]>("snapshot", "list", "own")).length > 0)
        await rig.ok("snapshot", "delete", "own/s");
    }
  });
});
