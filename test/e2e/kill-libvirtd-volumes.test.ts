import { beforeAll, describe, expect, it } from "vitest";
import { killAt, killPoints } from "./crash.ts";
import { openMonitor } from "./monitor.ts";
import { sure } from "./processes.ts";
import { libvirtd, makeRig, type Rig, virsh } from "./rig.ts";

interface Volume {
  readonly id: string;
  readonly instance: string | null;
}

describe("libvirtd killed while a volume is attached or detached", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await rig.ok("volume", "create", "data1", "--size", "64M");
    await sure("qemu-io", "-c", "write -P 7 0 4M", await head());
  });
  const head = async () => {
    const { id } = await rig.json<Volume>("volume", "show", "data1");
    const { volumes, layers } = rig.state();
    return layers[volumes[id]?.head ?? ""]?.file ?? "";
  };

  it.each(["attach", "detach"])(
    "%s: the record, the definition and the guest say the same in the end, and no byte is lost",
    async (verb) => {
      for (const delayMs of [150, 250, 350, 450, 600]) {
        if (verb === "detach") await rig.ok("volume", "attach", "web1", "data1");
        const running = rig.estrato("volume", verb, "web1", "data1");
        await new Promise((next) => setTimeout(next, delayMs));
        await libvirtd("kill");
        await running;
        await libvirtd("start");
        // What libvirtd did not note while it died it learns from a stop and a start.
        const repaired = await rig.estrato("doctor", "--repair", "-y", "--lock-timeout", "60s");
        if (repaired.code !== 0) {
          await rig.ok("instance", "stop", "web1");
          await rig.ok("instance", "start", "web1", "--wait", "agent");
        }
        await rig.heal();
        const { instance } = await rig.json<Volume>("volume", "show", "data1");
        for (const scope of [[], ["--inactive"]]) {
          expect((await virsh("domblklist", "web1", ...scope)).includes(await head()), `${verb} ${delayMs}`).toBe(
            instance === "web1",
          );
        }
        await sure("qemu-io", "-r", "-U", "-c", "read -P 7 0 4M", await head());
        await rig.bySsh("web1", "true");
        await rig.ok("volume", "detach", "web1", "data1");
      }
    },
  );

  it.each(["opened", "given to the guest"])(
    "forgotten by libvirtd when it was %s: taken back, and attached as before",
    async (how) => {
      const attach = ["volume", "attach", "web1", "data1"];
      const [first] = await killPoints(rig, ...attach);
      if (first === undefined) throw new Error("an attachment has no step");
      await rig.ok("volume", "detach", "web1", "data1");
      const before = await rig.bySsh("web1", "ls /dev/vd?");
      await killAt(rig, first, ...attach);
      await libvirtd("kill");
      const file = await head();
      await sure("chown", "libvirt-qemu", file);
      const qemu = await openMonitor("web1");
      const storage = { "node-name": "left-storage", driver: "file", filename: file };
      await qemu.ask({ execute: "blockdev-add", arguments: storage });
      const format = { "node-name": "left-format", driver: "qcow2", file: "left-storage" };
      await qemu.ask({ execute: "blockdev-add", arguments: format });
      // The last of the guest's slots: libvirt takes the first that it knows to be free.
      const device = { driver: "virtio-blk-pci", bus: "pci.16", drive: "left-format", id: "virtio-disk9" };
      if (how === "given to the guest") await qemu.ask({ execute: "device_add", arguments: device });
      qemu.close();
      await libvirtd("start");
      await expect(sure("qemu-img", "info", file)).rejects.toThrow("lock");
      await rig.heal();
      await sure("qemu-img", "info", file);
      expect(await rig.bySsh("web1", "ls /dev/vd?")).toBe(before);
      await rig.ok(...attach);
      await rig.ok("volume", "detach", "web1", "data1");
      await sure("qemu-io", "-r", "-c", "read -P 7 0 4M", file);
    },
  );
});
