import { beforeAll, describe, expect, it } from "vitest";
import { killAt, killPoints } from "./crash.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig } from "./rig.ts";

/** From here on the disk holds no file system. */
const FREE_MIB = 256;

const log = async (rig: Rig, instance: string) => (await rig.guest(instance, "cat /root/log")).split("\n");

describe("kill -9 at every step", () => {
  let rig: Rig;
  let written = 0;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1", "--disk", `${FREE_MIB + 16}M`);
    await rig.guest("web1", "echo first >> /root/log; sync");
    await rig.ok("snapshot", "create", "web1", "kept");
  });

  it("of a deletion with its merge: the others read the same, and nothing is orphaned or missing", async () => {
    const write = {
      running: (name: string) =>
        rig.guest("web1", `dd if=/dev/urandom of=/root/${name} bs=64k count=16 2>/dev/null; sync`),
      // Behind the file systems; booting it for each would take longer than all else together.
      off: () => {
        const { volumes, layers } = rig.state();
        const head = layers[Object.values(volumes)[0]?.head ?? ""]?.file ?? "";
        written = (written + 1) % 256;
        return sure("qemu-io", "-c", `write -P ${written} ${FREE_MIB + (written % 2)}M 2M`, head);
      },
    };
    for (const state of ["running", "off"] as const) {
      const prepare = async (tag: string) => {
        for (const name of [`${tag}-a`, `${tag}-b`]) {
          await write[state](name);
          await rig.ok("snapshot", "create", "web1", name);
        }
      };
      if (state === "off") await rig.ok("instance", "stop", "web1");
      await prepare("probe");
      const points = await killPoints(rig, "snapshot", "delete", "web1/probe-a");
      expect(points.map((point) => point.at).join(" ")).toContain("layer.merge");
      await rig.ok("snapshot", "delete", "web1/probe-b");
      for (const [index, point] of points.entries()) {
        const tag = `${state}-${index}`;
        await prepare(tag);
        const copy = await rig.copyOf(`${tag}-b`);
        await killAt(rig, point, "snapshot", "delete", `web1/${tag}-a`);
        await rig.heal();
        await rig.requireSame(`${tag}-b`, copy);
        const names = (await rig.json<{ name: string }[]>("snapshot", "list", "web1")).map((one) => one.name);
        expect(names).toEqual(["kept", `${tag}-b`]);
        await rig.ok("snapshot", "delete", `web1/${tag}-b`);
      }
    }
    await rig.ok("instance", "start", "web1");
    expect((await log(rig, "web1"))[0]).toBe("first");
  });
});
