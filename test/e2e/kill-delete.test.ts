import { beforeAll, describe, expect, it } from "vitest";
import { killAt, killPoints } from "./crash.ts";
import { makeRig, type Rig } from "./rig.ts";

const log = async (rig: Rig, instance: string) => (await rig.guest(instance, "cat /root/log")).split("\n");

describe("kill -9 at every step", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await rig.guest("web1", "echo first >> /root/log; sync");
    await rig.ok("snapshot", "create", "web1", "kept");
  });

  it("of a deletion with its merge: the others read the same, and nothing is orphaned or missing", async () => {
    const prepare = async (tag: string) => {
      for (const name of [`${tag}-a`, `${tag}-b`]) {
        await rig.guest("web1", `dd if=/dev/urandom of=/root/${name} bs=64k count=16 2>/dev/null; sync`);
        await rig.ok("snapshot", "create", "web1", name);
      }
    };
    for (const state of ["running", "off"]) {
      await prepare(`${state}-probe`);
      if (state === "off") await rig.ok("instance", "stop", "web1");
      const points = await killPoints(rig, "snapshot", "delete", `web1/${state}-probe-a`);
      expect(points.map((point) => point.at).join(" ")).toContain("layer.merge");
      for (const [index, point] of points.entries()) {
        const tag = `${state}-${index}`;
        if (state === "off") await rig.ok("instance", "start", "web1");
        await prepare(tag);
        const copy = await rig.copyOf(`${tag}-b`);
        if (state === "off") await rig.ok("instance", "stop", "web1");
        await killAt(rig, point, "snapshot", "delete", `web1/${tag}-a`);
        await rig.heal();
        await rig.requireSame(`${tag}-b`, copy);
        const names = (await rig.json<{ name: string }[]>("snapshot", "list", "web1")).map((one) => one.name);
        expect(names).not.toContain(`${tag}-a`);
        await rig.ok("snapshot", "delete", `web1/${tag}-b`);
      }
      if (state === "off") await rig.ok("instance", "start", "web1");
      expect((await log(rig, "web1"))[0]).toBe("first");
    }
  });
});
