import { beforeAll, describe, expect, it } from "vitest";
import { makeBare } from "./bare.ts";
import { killAt, killPoints } from "./crash.ts";
import { makeRig, type Rig, virsh } from "./rig.ts";

/** Writes a line and syncs it, so that it must be there after any crash of ours. */
async function write(rig: Rig, instance: string, line: string): Promise<void> {
  await rig.guest(instance, `echo ${line} >> /root/log; sync`);
}
const log = async (rig: Rig, instance: string) => (await rig.guest(instance, "cat /root/log")).split("\n");

describe("kill -9 at every step", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    await rig.create("web1");
    await write(rig, "web1", "first");
    await rig.ok("snapshot", "create", "web1", "kept");
  });

  it("of snapshot create, running: the finished snapshot reads the same, the guest goes on with all it wrote, thawed", async () => {
    const copy = await rig.copyOf("kept");
    const points = await killPoints(rig, "snapshot", "create", "web1", "probe");
    await rig.ok("snapshot", "delete", "web1/probe");
    expect(points.length).toBeGreaterThan(6);
    for (const [index, point] of points.entries()) {
      const name = `killed-${index}`;
      await killAt(rig, point, "snapshot", "create", "web1", name);
      await write(rig, "web1", name);
      await rig.heal();
      await rig.requireSame("kept", copy);
      await write(rig, "web1", `${name}-healed`);
      expect((await log(rig, "web1")).slice(-2)).toEqual([name, `${name}-healed`]);
    }
    // What every kill left must also survive a real stop and start.
    const before = await log(rig, "web1");
    await rig.ok("instance", "stop", "web1");
    await rig.ok("instance", "start", "web1");
    expect(await log(rig, "web1")).toEqual(before);
    for (const { id } of await rig.json<{ id: string; name: string }[]>(
      "snapshot",
      "list",
      "web1",
      "--query",
      "[?name!='kept']",
    )) {
      await rig.ok("snapshot", "delete", id);
    }
    await rig.requireSame("kept", copy);
    await rig.heal();
  });

  it("of snapshot create, off: the same", async () => {
    await rig.ok("instance", "stop", "web1");
    const copy = await rig.copyOf("kept");
    const points = await killPoints(rig, "snapshot", "create", "web1", "probe");
    await rig.ok("snapshot", "delete", "web1/probe");
    for (const [index, point] of points.entries()) {
      await killAt(rig, point, "snapshot", "create", "web1", `off-${index}`);
      await rig.heal();
      await rig.requireSame("kept", copy);
    }
    await rig.ok("instance", "start", "web1");
    expect((await log(rig, "web1"))[0]).toBe("first");
  });

  it("of revert, running: it runs in one of the two states, whole, and the snapshot reads the same", async () => {
    const bare = await makeBare(rig, "bare1");
    await bare.write(1);
    await rig.ok("snapshot", "create", "bare1", "bare-kept");
    const copy = await rig.copyOf("bare-kept");
    await bare.write(2);
    const points = await killPoints(rig, "snapshot", "revert", "bare1/bare-kept");
    expect(await bare.read()).toBe(1);
    await rig.ok("snapshot", "unrevert", "bare1");
    for (const point of points) {
      expect(await bare.read(), point.title).toBe(2);
      await killAt(rig, point, "snapshot", "revert", "bare1/bare-kept");
      await rig.heal();
      await rig.requireSame("bare-kept", copy);
      expect(await virsh("domstate", "bare1"), point.title).toBe("running");
      const now = await bare.read();
      expect([1, 2], point.title).toContain(now);
      if (now === 1) await rig.ok("snapshot", "unrevert", "bare1");
    }
    // A rebuild is a revert whose goal is an image, which holds nothing there: at each third.
    const rebuild = ["instance", "rebuild", "bare1", "-y"];
    const its = await killPoints(rig, ...rebuild);
    expect(its.map(({ title }) => title)).toContain("Make a new seed");
    expect(await bare.read()).toBe(0);
    await rig.ok("snapshot", "unrevert", "bare1");
    for (const point of its.filter((_, index) => index % 3 === 1)) {
      await killAt(rig, point, ...rebuild);
      await rig.heal();
      await rig.requireSame("bare-kept", copy);
      expect(await virsh("domstate", "bare1"), point.title).toBe("running");
      if ((await bare.read()) === 0) await rig.ok("snapshot", "unrevert", "bare1");
      expect(await bare.read(), point.title).toBe(2);
    }
    await rig.ok("instance", "delete", "bare1", "-y");
  });

  it("of revert, running: it boots from one of the two states, whole, and the snapshot reads the same", async () => {
    const copy = await rig.copyOf("kept");
    await write(rig, "web1", "only-in-the-present");
    const points = await killPoints(rig, "snapshot", "revert", "web1/kept");
    await rig.ok("snapshot", "unrevert", "web1");
    // Every step is killed above; that what it leaves boots is shown at each third.
    for (const point of points.filter((_, index) => index % 3 === 1)) {
      expect(await log(rig, "web1")).toContain("only-in-the-present");
      await killAt(rig, point, "snapshot", "revert", "web1/kept");
      await rig.heal();
      await rig.requireSame("kept", copy);
      expect(await virsh("domstate", "web1")).toBe("running");
      const now = await log(rig, "web1");
      if (now.includes("only-in-the-present")) continue;
      expect(now).toEqual(["first"]);
      await rig.ok("snapshot", "unrevert", "web1");
    }
  });
});
