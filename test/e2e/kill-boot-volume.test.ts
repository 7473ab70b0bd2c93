import { readdirSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { type KillPoint, killAt, killPoints } from "./crash.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, small, virsh } from "./rig.ts";

interface Volume {
  readonly id: string;
  readonly status: string;
  readonly instance: string | null;
}

describe("kill -9 at every step of what volumes become part of", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.ok("volume", "create", "root", "--from-image", "base", "--size", "300M");
    await rig.ok("volume", "create", "data1", "--size", "64M");
    await sure("qemu-io", "-c", "write -P 7 0 4M", head("data1"));
  });
  const head = (name: string) => {
    const { volumes, layers } = rig.state();
    const all = Object.values(volumes as Record<string, { name?: string; head: string }>);
    return layers[all.find((one) => one.name === name)?.head ?? ""]?.file ?? "";
  };
  const show = (name: string) => rig.json<Volume>("volume", "show", name);
  const requireData = () => sure("qemu-io", "-r", "-U", "-c", "read -P 7 0 4M", head("data1"));
  const traces = async () => ({
    layers: rig.layers(),
    seeds: readdirSync(`${rig.home}/seeds`),
    records: readdirSync(`${rig.home}/records`),
    domains: await virsh("list", "--all", "--name"),
    reserved: ((await virsh("net-dumpxml", "default")).match(/<host /g) ?? []).length,
  });
  const names = async (noun: string) => (await rig.json<{ name: string }[]>(noun, "list")).map((one) => one.name);
  const each = async (points: readonly KillPoint[], work: (point: KillPoint, index: number) => Promise<void>) => {
    expect(points.length).toBeGreaterThan(1);
    for (const [index, point] of points.entries()) await work(point, index);
  };

  it("of instance create --boot-volume --volume: it is whole, or both volumes are free and as they were", async () => {
    const command = (name: string) => [
      ...["instance", "create", name, "--boot-volume", "root", "--volume", "data1"],
      ...[...small, "--key-name", "k"],
    ];
    const points = await killPoints(rig, ...command("probe"));
    await rig.ok("instance", "delete", "probe", "-y");
    const before = await traces();
    await each(points, async (point, index) => {
      await killAt(rig, point, ...command(`vm-${index}`));
      await rig.heal();
      await requireData();
      const made = (await names("instance")).includes(`vm-${index}`);
      for (const volume of ["root", "data1"])
        expect((await show(volume)).instance, `${point.title}: ${volume}`).toBe(made ? `vm-${index}` : null);
      if (made) {
        await rig.ok("instance", "start", `vm-${index}`);
        // The whole of its life: it boots from it, and what it writes stays when it goes.
        if (index === points.length - 1) await rig.guest(`vm-${index}`, "echo kept > /root/kept; sync");
        await rig.ok("instance", "delete", `vm-${index}`, "-y");
      }
      expect(await traces()).toEqual(before);
    });
    await rig.ok(...command("last"), "--wait", "agent");
    expect(await rig.guest("last", "cat /root/kept")).toBe("kept");
    await requireData();
  });

  it("of image create --from-volume, attached to a running guest, and --from-instance with both disks", async () => {
    const before = await traces();
    for (const source of [
      ["--from-volume", "data1"],
      ["--from-instance", "last"],
    ]) {
      const command = (name: string) => ["image", "create", name, ...source];
      const points = await killPoints(rig, ...command("probe"));
      await rig.ok("image", "delete", "probe");
      // Those of one disk are tried everywhere elsewhere.
      const tried = source[0] === "--from-volume" ? points : points.filter((_, index) => index % 2 === 1);
      await each(tried, async (point, index) => {
        const name = `i${source[0]}-${index}`;
        await killAt(rig, point, ...command(name));
        await rig.heal();
        await requireData();
        expect(await rig.guest("last", "cat /root/kept")).toBe("kept");
        if ((await names("image")).includes(name)) {
          const { disks } = await rig.json<{ disks: unknown[] }>("image", "show", name);
          expect(disks).toHaveLength(source[0] === "--from-volume" ? 1 : 2);
          await rig.copyOf(name);
          await rig.ok("image", "delete", name);
        }
        expect(await rig.json("snapshot", "list")).toEqual([]);
      });
    }
    expect({ ...(await traces()), layers: [] }).toEqual({ ...before, layers: [] });
    await rig.ok("instance", "stop", "last");
    await rig.heal();
    expect(rig.layers()).toHaveLength(before.layers.length);
  });

  it("of volume delete: it is there, or gone with its file, and what was made of it stays", async () => {
    await rig.ok("snapshot", "create", "--volume", "data1", "kept");
    const copy = await rig.copyOf("kept");
    const make = async (name: string) => {
      await rig.ok("volume", "create", name, "--from-snapshot", "data1/kept");
      await sure("qemu-io", "-c", "write -P 9 8M 4M", head(name));
    };
    await make("probe");
    const before = rig.layers().length;
    const points = await killPoints(rig, "volume", "delete", "probe", "-y");
    await each(points, async (point, index) => {
      const name = `gone-${index}`;
      await make(name);
      expect(rig.layers()).toHaveLength(before);
      await killAt(rig, point, "volume", "delete", name, "-y");
      await rig.heal();
      await rig.requireSame("kept", copy);
      expect(await names("volume")).not.toContain(name);
      expect(rig.layers()).toHaveLength(before - 1);
    });
    await requireData();
  });
});
