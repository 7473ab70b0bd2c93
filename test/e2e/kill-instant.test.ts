import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { killAt, killPoints } from "./crash.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, virsh, whilePulling } from "./rig.ts";

describe("kill -9 of an instance that boots from a backup", () => {
  let rig: Rig;
  let target: string;
  let backup: string;
  const copies = new Map<string, string>();
  beforeAll(async () => {
    rig = await makeRig();
    target = join(rig.folder, "target");
    mkdirSync(target);
    const random = join(rig.folder, "random.img");
    await sure("sh", "-c", `head -c 160M /dev/urandom > ${random}`);
    await rig.ok("image", "create", "random", "--file", random, "--disk-format", "raw");
    await rig.ok("volume", "create", "data", "--from-image", "random");
    await rig.create("web1", "--volume", "data");
    const take = ["backup", "web1", "--target", target, "--rotation", "9", "--incremental"];
    await rig.ok(...take);
    await rig.guest("web1", "echo last > /root/state; dd if=/dev/urandom of=/dev/vdb bs=1M count=2 seek=9; sync");
    backup = (await rig.json<{ id: string }>(...take)).id;
    for (const device of ["vda", "vdb"]) {
      copies.set(device, join(rig.folder, `${device}.qcow2`));
      await sure("qemu-img", "convert", "-O", "qcow2", fileOf(device), copies.get(device) as string);
    }
    await rig.ok("instance", "stop", "web1", "--force");
  });
  const fileOf = (device: string) => join(target, backup, `${device}.qcow2`);
  const restore = (...more: string[]) => [
    ...["backup", "restore", backup, "--target", target],
    ...["--instance", "web2", "--key-name", "k", "--instant", ...more],
  ];
  const marks = () => readdirSync(join(target, backup)).filter((name) => name.startsWith("use-"));
  const runs = async () => (await virsh("list", "--name")).split("\n").includes("web2");
  const jobOf = (device: string) => virsh("blockjob", "web2", device, "--info", "--raw");

  /**
   * The backup is what it was, and the instance, which needs it no longer, holds what it held; its second disk, which
   * the guest leaves alone, bit by bit.
   */
  const requireWhole = async (where: string) => {
    expect(marks(), where).toEqual([]);
    expect(await rig.json("doctor"), where).toEqual([]);
    for (const [device, copy] of copies) await sure("qemu-img", "compare", fileOf(device), copy);
    const { instances, volumes, layers } = rig.state();
    const uuid = Object.entries(instances).find(([, { name }]) => name === "web2")?.[0];
    const files = Object.values(volumes)
      .filter(({ instance }) => instance === uuid)
      .map(({ head }) => layers[head]?.file as string);
    const same: string[] = [];
    for (const file of files) {
      const info = JSON.parse(await sure("qemu-img", "info", "-U", "--output=json", file));
      expect(info["backing-filename"], where).toBeUndefined();
      await sure("qemu-img", "compare", "-U", file, copies.get("vdb") as string).then(
        () => same.push(file),
        () => undefined,
      );
    }
    expect(same, where).toHaveLength(1);
  };
  const remove = () => rig.ok("instance", "delete", "web2", "-y");

  const killPulling = async () => {
    const { child } = await whilePulling("web2", "vdb", () => rig.start({}, ...restore()), remove);
    child.kill("SIGKILL");
  };

  it("at each step: there is no instance, or one that reads right, and the same command again ends it", async () => {
    // Of the second disk alone: nobody waits for a guest that boots.
    const command = restore("--disk", "vdb");
    const all = await killPoints(rig, ...command);
    await requireWhole("whole");
    await remove();
    const kinds = new Set(all.map(({ at }) => at.split(":")[0]));
    expect(kinds).toEqual(new Set(["backup.restore", "instance.create", "layer.merge"]));
    // Of what is made before the guest runs each step is undone alike; the unit suite has them all.
    const chosen = all.filter(
      ({ at, id }) => !at.startsWith("instance.create") || id === "tell-lender" || id === "start",
    );
    const points = [...new Map(chosen.map((point) => [`${point.at.split(":")[0]} ${point.id}`, point])).values()];
    for (const [index, point] of points.entries()) {
      const where = `${point.at} ${point.title}`;
      await killAt(rig, point, ...command);
      if (index % 3 === 0) await rig.heal();
      await rig.ok(...command);
      await requireWhole(where);
      await remove();
    }
  });

  it("while it is pulled in: the guest goes on, and so does the same command", async () => {
    await killPulling();
    expect(await rig.guest("web2", "cat /root/state; echo own > /root/own; sync")).toBe("last");
    expect(marks()).toHaveLength(1);
    await rig.ok(...restore());
    expect(await rig.guest("web2", "cat /root/state /root/own")).toBe("last\nown");
    await requireWhole("pulled in by the same command");
    await remove();
  });

  it("and QEMU goes on, which the next command notes", async () => {
    await killPulling();
    await virsh("blockjob", "web2", "vdb", "0");
    await until("QEMU is through", async () => (await jobOf("vdb")) === "");
    await rig.heal();
    await requireWhole("pulled in by QEMU");
    await remove();
  });

  it("and QEMU with it: what is left is pulled in while the guest is off", async () => {
    await killPulling();
    process.kill(Number(readFileSync("/run/libvirt/qemu/web2.pid", "utf8")), "SIGKILL");
    await until("it is off", async () => !(await runs()));
    await rig.heal();
    await requireWhole("pulled in while it is off");
    await rig.ok("instance", "start", "web2");
    expect(await rig.guest("web2", "cat /root/state")).toBe("last");
    await remove();
  });
});
