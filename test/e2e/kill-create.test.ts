import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { killAt, killPoints } from "./crash.ts";
import { guestImage, makeRig, type Rig, small, virsh } from "./rig.ts";

describe("kill -9 at every step of what makes things", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
  });
  const traces = async () => ({
    layers: rig.layers(),
    seeds: readdirSync(`${rig.home}/seeds`),
    domains: await virsh("list", "--all", "--name"),
    reserved: ((await virsh("net-dumpxml", "default")).match(/<host /g) ?? []).length,
  });

  it("of image create from a file: there is a whole image or nothing", async () => {
    const command = (name: string) => ["image", "create", name, "--file", guestImage, "--disk-format", "qcow2"];
    const points = await killPoints(rig, ...command("probe"));
    const copy = await rig.copyOf("probe");
    await rig.ok("image", "delete", "probe");
    const before = await traces();
    for (const [index, point] of points.entries()) {
      const name = `image-${index}`;
      await killAt(rig, point, ...command(name));
      await rig.heal();
      const made = (await rig.json<{ name: string }[]>("image", "list")).some((one) => one.name === name);
      if (made) {
        await rig.requireSame(name, copy);
        await rig.ok("image", "delete", name);
      }
      expect(await traces()).toEqual(before);
    }
  });

  it("of instance create: there is a whole instance or no trace of it", async () => {
    const command = (name: string) => ["instance", "create", name, "--image", "base", ...small, "--key-name", "k"];
    const copy = await rig.copyOf("base");
    const points = await killPoints(rig, ...command("probe"));
    await rig.ok("instance", "delete", "probe", "-y");
    const before = await traces();
    for (const [index, point] of points.entries()) {
      const name = `vm-${index}`;
      await killAt(rig, point, ...command(name));
      await rig.heal();
      await rig.requireSame("base", copy);
      const made = (await rig.json<{ name: string }[]>("instance", "list")).some((one) => one.name === name);
      if (made) {
        await rig.ok("instance", "start", name);
        expect(await rig.guest(name, "hostname")).toBe(name);
        await rig.ok("instance", "delete", name, "-y");
      }
      expect(await traces()).toEqual(before);
    }
  });

  it("of image create from an instance, and of instance delete", async () => {
    await rig.create("web1");
    await rig.guest("web1", "echo mine > /root/mine; sync");
    const from = (name: string) => ["image", "create", name, "--from-instance", "web1"];
    const points = await killPoints(rig, ...from("probe"));
    await rig.ok("image", "delete", "probe");
    for (const [index, point] of points.entries()) {
      await killAt(rig, point, ...from(`from-${index}`));
      await rig.heal();
      expect(await rig.guest("web1", "cat /root/mine")).toBe("mine");
    }
    const images = (await rig.json<{ name: string }[]>("image", "list"))
      .map((one) => one.name)
      .filter((name) => name !== "base");
    for (const name of images) await rig.ok("image", "delete", name);
    await rig.ok("image", "create", "golden", "--from-instance", "web1");
    const copy = await rig.copyOf("golden");
    await rig.ok("instance", "delete", "web1", "-y");

    const make = (name: string) => rig.ok("instance", "create", name, "--image", "golden", ...small, "--no-start");
    await make("probe");
    const before = rig.layers().length;
    const deletion = await killPoints(rig, "instance", "delete", "probe", "-y");
    for (const [index, point] of deletion.entries()) {
      const name = `gone-${index}`;
      await make(name);
      expect(rig.layers()).toHaveLength(before);
      await killAt(rig, point, "instance", "delete", name, "-y");
      await rig.heal();
      await rig.requireSame("golden", copy);
      expect((await rig.json<{ name: string }[]>("instance", "list")).map((one) => one.name)).not.toContain(name);
      expect(rig.layers()).toHaveLength(before - 1);
    }
  });
});
