import { spawn } from "node:child_process";
import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { run, sure } from "./processes.ts";
import { makeRig, type Rig } from "./rig.ts";

interface Backup {
  readonly id: string;
  readonly instance: string;
  readonly status: string;
}

describe("two stores that keep their backups in one folder", () => {
  let one: Rig;
  let two: Rig;
  let target: string;
  beforeAll(async () => {
    one = await makeRig();
    two = await makeRig();
    target = join(one.folder, "target");
    mkdirSync(target);
    await one.create("web1");
    await two.create("web2");
  });
  const command = (name: string, ...args: string[]) => ["backup", name, "--incremental", "--rotation", "2", ...args];
  const at = (...args: string[]) => [...args, "--target", target];
  const night = async (rig: Rig, name: string) =>
    rig.guest(name, "dd if=/dev/urandom of=/root/n bs=64k count=16 2>/dev/null; sync");
  const copies = new Map<string, string>();
  /** What each backup reads as by qemu-img alone is what it read as when it was first seen. */
  const requireSame = async () => {
    const all = await one.json<Backup[]>(...at("backup", "list"));
    for (const { id, status } of all) {
      expect(status).toBe("available");
      const disk = join(target, id, "vda.qcow2");
      const copy = copies.get(id) ?? join(one.folder, `${id}.qcow2`);
      if (copies.has(id)) await sure("qemu-img", "compare", disk, copy);
      else await sure("qemu-img", "convert", "-O", "qcow2", disk, copy);
      copies.set(id, copy);
    }
    return all;
  };

  it("rotate at the same time, wait for each other, and lose nothing", async () => {
    // Who marks a new target is alone in it.
    await one.ok(...at(...command("web1")));
    for (let round = 0; round < 3; round += 1) {
      await Promise.all([night(one, "web1"), night(two, "web2")]);
      const patient = ["--lock-timeout", "2m"];
      const reading = two.estrato(...at("backup", "verify", "--all"), ...patient);
      const ran = await Promise.all([
        one.estrato(...at(...command("web1", ...patient))),
        two.estrato(...at(...command("web2", ...patient))),
      ]);
      for (const { code, stderr } of ran) expect(code, stderr).toBe(0);
      expect(await reading).toMatchObject({ code: 0 });
      await requireSame();
    }
    const all = await requireSame();
    expect(all.map(({ instance }) => instance).sort()).toEqual(["web1", "web1", "web2", "web2"]);
    expect(readdirSync(target).sort()).toEqual([...all.map(({ id }) => id), "estrato-target.json"].sort());
    for (const rig of [one, two]) {
      await rig.ok(...at("backup", "verify", "--all"));
      expect(await rig.json("doctor")).toEqual([]);
    }
  });

  it("say so where the other is at work, change nothing, and can read all the time", async () => {
    const before = readdirSync(target, { recursive: true }).sort();
    const marker = join(target, "estrato-target.json");
    const holder = spawn("flock", ["--no-fork", marker, "sleep", "600"], { stdio: "ignore" });
    const gone = new Promise((resolve) => holder.once("exit", resolve));
    try {
      await until("it is locked", async () => (await run("flock", ["--nonblock", marker, "true"])).code !== 0);
      const [first] = (await two.json<Backup[]>(...at("backup", "list"))).filter((each) => each.instance === "web2");
      for (const line of [
        command("web2"),
        ["backup", "prune", "--rotation", "1"],
        ["backup", "delete", first?.id as string, "-y"],
      ]) {
        const refused = await two.estrato(...at(...line));
        expect(refused.code, line.join(" ")).toBe(5);
        expect(refused.stderr).toContain(`${target}: another store is at work in it`);
      }
      await two.ok(...at("backup", "verify", "--all"));
      expect(readdirSync(target, { recursive: true }).sort()).toEqual(before);
    } finally {
      holder.kill("SIGKILL");
      await gone;
    }
  });
});
