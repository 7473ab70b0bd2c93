import { beforeAll, describe, expect, it } from "vitest";
import { type KillPoint, killAt, killPoints } from "./crash.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig, virsh } from "./rig.ts";

interface Volume {
  readonly id: string;
  readonly name: string | null;
  readonly status: string;
  readonly size_bytes: number;
  readonly instance: string | null;
}

describe("kill -9 at every step of what is done to volumes", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await rig.ok("volume", "create", "data1", "--size", "64M");
    await sure("qemu-io", "-c", "write -P 7 0 4M", head("data1"));
  });
  const head = (name: string) => {
    const { volumes, layers } = rig.state();
    const volume = Object.values(volumes as Record<string, { name?: string; head: string }>).find(
      (one) => one.name === name,
    );
    return layers[volume?.head ?? ""]?.file ?? "";
  };
  const show = (name: string) => rig.json<Volume>("volume", "show", name);
  /** Its first 4 MiB are as they were written, whatever has happened since. */
  const requireContent = () => sure("qemu-io", "-r", "-U", "-c", "read -P 7 0 4M", head("data1"));
  const requireAlive = async () => {
    await requireContent();
    expect(await rig.guest("web1", "echo alive")).toBe("alive");
  };
  /** The guest, the definition and the record say the same. */
  const requireAgreement = async (name: string) => {
    const { instance } = await show(name);
    for (const scope of [[], ["--inactive"]]) {
      const lists = (await virsh("domblklist", "web1", ...scope)).includes(head(name));
      expect(lists).toBe(instance === "web1");
    }
  };
  const each = async (points: readonly KillPoint[], work: (point: KillPoint, index: number) => Promise<void>) => {
    expect(points.length).toBeGreaterThan(1);
    for (const [index, point] of points.entries()) {
      await work(point, index);
      await requireAlive();
    }
  };

  it("of volume create: there is a whole volume or nothing", async () => {
    const before = rig.layers();
    const points = await killPoints(rig, "volume", "create", "probe", "--size", "64M");
    await rig.ok("volume", "delete", "probe", "-y");
    await each(points, async (point, index) => {
      await killAt(rig, point, "volume", "create", `v-${index}`, "--size", "64M");
      await rig.heal();
      const made = (await rig.json<Volume[]>("volume", "list")).find((one) => one.name === `v-${index}`);
      if (made !== undefined) {
        expect(made.status).toBe("available");
        await rig.ok("volume", "delete", `v-${index}`, "-y");
      }
      expect(rig.layers()).toEqual(before);
    });
  });

  it("of attach and detach: the volume is in the guest, its definition and the record, or in none of them", async () => {
    const attach = ["volume", "attach", "web1", "data1"];
    const detach = ["volume", "detach", "web1", "data1"];
    const attaching = await killPoints(rig, ...attach);
    const detaching = await killPoints(rig, ...detach);
    await each(attaching, async (point) => {
      await killAt(rig, point, ...attach);
      await rig.heal();
      await requireAgreement("data1");
      await rig.ok(...detach);
      await requireAgreement("data1");
    });
    await each(detaching, async (point) => {
      await rig.ok(...attach);
      await killAt(rig, point, ...detach);
      await rig.heal();
      await requireAgreement("data1");
      await rig.ok(...detach);
    });
  });

  it("of resize, attached and free: the record says the size that there is", async () => {
    let mib = 64;
    const sizes = async (point: KillPoint) => {
      mib += 64;
      await killAt(rig, point, "volume", "resize", "data1", `${mib}M`);
      await rig.heal();
      const there = JSON.parse(await sure("qemu-img", "info", "-U", "--output=json", head("data1")))["virtual-size"];
      expect((await show("data1")).size_bytes).toBe(there);
    };
    mib += 64;
    await each(await killPoints(rig, "volume", "resize", "data1", `${mib}M`), sizes);
    await rig.ok("volume", "attach", "web1", "data1");
    mib += 64;
    await each(await killPoints(rig, "volume", "resize", "data1", `${mib}M`), sizes);
  });

  it("of a volume's snapshot, running and free, and of its revert: there is a whole one or none", async () => {
    const snap = (name: string) => ["snapshot", "create", "--volume", "data1", name];
    const drop = async () => {
      for (const { id } of await rig.json<{ id: string }[]>("snapshot", "list")) await rig.ok("snapshot", "delete", id);
    };
    const each2 = async (mode: string) => {
      await each(await killPoints(rig, ...snap(`${mode}-probe`)), async (point, index) => {
        await killAt(rig, point, ...snap(`${mode}-${index}`));
        await rig.heal();
        await requireContent();
        await drop();
        await requireContent();
      });
    };
    await each2("running");
    await rig.ok("volume", "detach", "web1", "data1");
    await each2("free");
    await rig.ok(...snap("base"));
    await each(await killPoints(rig, "snapshot", "revert", "data1/base"), async (point) => {
      await killAt(rig, point, "snapshot", "revert", "data1/base");
      await rig.heal();
      await requireContent();
    });
  });
});
