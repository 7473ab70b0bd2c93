import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { makeBare } from "./bare.ts";
import { killAt, killPoints } from "./crash.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig } from "./rig.ts";

describe("kill -9 at every step of backups", () => {
  let rig: Rig;
  let target: string;
  const copies = new Map<string, string>();
  beforeAll(async () => {
    rig = await makeRig();
    target = join(rig.folder, "target");
    mkdirSync(target);
    await rig.create("web1");
  });
  const command = ["backup", "web1", "--incremental", "--rotation", "2", "--type", "nightly"];
  const list = async () => (await rig.json<{ id: string }[]>("backup", "list", "--target", target)).map(({ id }) => id);
  const disk = (id: string) => join(target, id, "vda.qcow2");
  let written = 0;
  const night = async () => {
    written += 1;
    await rig.guest(
      "web1",
      `dd if=/dev/urandom of=/root/n${written % 4} bs=64k count=16 2>/dev/null; echo ${written} > /root/n; sync`,
    );
  };

  /** Healed, every backup that is listed is whole; one that was there reads as it did; nothing half done is left. */
  const requireWhole = async (at: string) => {
    await rig.heal();
    const ids = await list();
    for (const id of ids) {
      const known = copies.get(id);
      if (known !== undefined) await sure("qemu-img", "compare", disk(id), known);
      else {
        const copy = join(rig.folder, `${id}.qcow2`);
        await sure("qemu-img", "convert", "-O", "qcow2", disk(id), copy);
        copies.set(id, copy);
      }
    }
    expect(readdirSync(target).sort(), at).toEqual([...ids, "estrato-target.json"].sort());
    await rig.ok("backup", "verify", "--all", "--target", target);
    expect(await rig.guest("web1", "cat /root/n"), at).toBe(String(written));
    expect((await rig.json<unknown[]>("snapshot", "list", "web1")).length, at).toBe(0);
  };

  it("of an incremental one, and of the merge that its rotation brings", async () => {
    for (const _ of [1, 2]) {
      await night();
      await rig.ok(...command, "--target", target);
    }
    await requireWhole("before");
    await night();
    const all = await killPoints(rig, ...command, "--target", target);
    // The snapshot in it, and the merge of the layers after it, are killed in suites of their own.
    const points = all.filter(({ at }) => at.startsWith("backup."));
    expect(new Set(points.map(({ at }) => at.split(":")[0]))).toEqual(new Set(["backup.create", "backup.delete"]));
    await requireWhole("whole");
    for (const point of points) {
      await night();
      await killAt(rig, point, ...command, "--target", target);
      await requireWhole(`${point.at} ${point.title}`);
      await rig.ok(...command, "--target", target);
      expect(await list(), point.at).toHaveLength(2);
    }
    await requireWhole("after");
  });

  it("of a restore in place: the instance is what it was, or what the backup holds", async () => {
    const bare = await makeBare(rig, "bare1");
    const images = (await rig.json<unknown[]>("image", "list")).length;
    await bare.write(1);
    await rig.ok("backup", "bare1", "--rotation", "9", "--type", "bare", "--name", "bare", "--target", target);
    const restore = ["backup", "restore", "bare", "--in-place", "-y", "--target", target];
    const points = (await killPoints(rig, ...restore)).filter(({ at }) => at.startsWith("backup."));
    expect(await bare.read()).toBe(1);
    for (const point of points) {
      await bare.write(2);
      await killAt(rig, point, ...restore);
      await rig.heal();
      await rig.ok("instance", "start", "bare1");
      expect([1, 2], point.at).toContain(await bare.read());
      expect((await rig.json<unknown[]>("image", "list")).length, point.at).toBe(images);
    }
    await rig.ok("instance", "delete", "bare1", "-y");
    await rig.ok("image", "delete", "bare");
  });

  it("of a restore in place: what is left of it boots", async () => {
    await rig.guest("web1", "echo old > /root/state; sync");
    await rig.ok("backup", "web1", "--rotation", "9", "--type", "good", "--name", "good", "--target", target);
    const restore = ["backup", "restore", "good", "--in-place", "-y", "--target", target];
    const points = (await killPoints(rig, ...restore)).filter(({ at }) => at.startsWith("backup."));
    for (const point of points.filter((_, index) => index % 4 === 1)) {
      await rig.guest("web1", "echo new > /root/state; sync");
      await killAt(rig, point, ...restore);
      await rig.heal();
      await rig.ok("instance", "start", "web1");
      expect(["old", "new"], point.at).toContain(await rig.guest("web1", "cat /root/state"));
      expect((await rig.json<unknown[]>("image", "list")).length, point.at).toBe(1);
    }
  });
});
