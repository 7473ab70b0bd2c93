import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { makeRig, type Rig, small } from "./rig.ts";

const names = ["a", "b", "c", "d", "e"];

describe("forty commands at once on five instances", () => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await makeRig();
    // Off: what is shown here is the store, and forty guests' worth of emulation would only be slow.
    for (const name of names) await rig.ok("instance", "create", name, "--image", "base", ...small, "--no-start");
  });

  it("loses no update, corrupts no JSON and never deadlocks", async () => {
    const commands: string[][] = [];
    for (const name of names) {
      for (const index of [1, 2, 3, 4])
        commands.push(["snapshot", "create", name, `s${index}`, "--lock-timeout", "300s"]);
      commands.push(["instance", "set", name, "--property", `p=${name}`, "--lock-timeout", "300s"]);
      commands.push(["image", "create", `image-${name}`, "--from-instance", name, "--lock-timeout", "300s"]);
      commands.push(["instance", "list", "-f", "json"]);
      commands.push(["snapshot", "list", name, "-f", "json"]);
    }
    expect(commands).toHaveLength(40);
    const ran = await Promise.all(commands.map((command) => rig.estrato(...command)));
    for (const [index, one] of ran.entries()) {
      const said = { command: commands[index], code: one.code, stderr: one.code === 0 ? "" : one.stderr };
      expect(said).toEqual({ command: commands[index], code: 0, stderr: "" });
    }
    JSON.parse(readFileSync(`${rig.home}/state.json`, "utf8"));
    const snapshots = await rig.json<{ name: string; instance: string }[]>("snapshot", "list");
    for (const name of names) {
      expect(
        snapshots
          .filter((one) => one.instance === name)
          .map((one) => one.name)
          .sort(),
      ).toEqual(["s1", "s2", "s3", "s4"]);
      expect((await rig.json<{ properties: object }>("instance", "show", name)).properties).toEqual({ p: name });
    }
    expect((await rig.json<unknown[]>("image", "list")).length).toBe(1 + names.length);
    await rig.heal();
  });
});

describe("forty commands at once with memory, volumes and shelves", () => {
  let rig: Rig;
  let boot: string;
  const bootId = () => rig.guest("run2", "cat /proc/sys/kernel/random/boot_id");
  const volumes = ["grown", "snapped", "reverted", "gone", "in", "out", "data", "root"];
  beforeAll(async () => {
    rig = await makeRig();
    for (const name of ["run1", "run2"]) await rig.create(name);
    for (const name of ["attached", "detached", "put", "back", "packed", "resized"])
      await rig.ok("instance", "create", name, "--image", "base", ...small, "--no-start");
    for (const name of volumes)
      await rig.ok("volume", "create", name, ...(name === "root" ? ["--from-image", "base"] : ["--size", "16M"]));
    await rig.ok("volume", "attach", "detached", "out");
    await rig.ok("snapshot", "create", "--volume", "reverted", "base");
    boot = await bootId(); // the kernel makes it up when it is first read
    await rig.ok("snapshot", "create", "run2", "m0", "--memory");
    await rig.ok("shelve", "back");
  });

  it("all end well, and everything is as each of them was to leave it", async () => {
    const commands: string[][] = [
      ...["m1", "m2", "m3"].map((name) => ["snapshot", "create", "run1", name, "--memory"]),
      ...["m1", "m2"].map((name) => ["snapshot", "create", "run2", name, "--memory"]),
      ["snapshot", "create", "run1", "d1"],
      ["snapshot", "revert", "run2/m0"],
      ...["n1", "n2", "n3"].map((name) => ["volume", "create", name, "--size", "16M"]),
      ["volume", "create", "n4", "--from-snapshot", "reverted/base"],
      ["volume", "attach", "attached", "in"],
      ["volume", "detach", "detached", "out"],
      ["volume", "resize", "grown", "32M"],
      ["volume", "delete", "gone", "-y"],
      ...["s1", "s2", "s3"].map((name) => ["snapshot", "create", "--volume", "snapped", name]),
      ["snapshot", "revert", "reverted/base"],
      ["image", "create", "of-volume", "--from-volume", "snapped"],
      ["image", "create", "of-instance", "--from-instance", "run1"],
      ["shelve", "put"],
      ["shelve", "packed", "--offload", "-y"],
      ["unshelve", "back"],
      ["instance", "resize", "resized", "--ram", "160M"],
      ["instance", "create", "with-data", "--image", "base", "--volume", "data", ...small, "--no-start"],
      ["instance", "create", "booted", "--boot-volume", "root", ...small, "--no-start"],
      ["instance", "set", "attached", "--property", "p=1"],
    ];
    const looks = [
      ["volume", "list"],
      ["snapshot", "list"],
      ["image", "list"],
      ["instance", "list"],
    ];
    for (let index = 0; commands.length < 40; index += 1) commands.push([...(looks[index % 4] ?? []), "-f", "json"]);
    const ran = await Promise.all(commands.map((command) => rig.estrato(...command, "--lock-timeout", "300s")));
    for (const [index, one] of ran.entries()) {
      const said = { command: commands[index], code: one.code, stderr: one.code === 0 ? "" : one.stderr };
      expect(said).toEqual({ command: commands[index], code: 0, stderr: "" });
    }
    const by = async (noun: string) =>
      new Map((await rig.json<Record<string, unknown>[]>(noun, "list")).map((one) => [String(one.name), one]));
    const [instances, disks, images, snapshots] = [
      await by("instance"),
      await by("volume"),
      await by("image"),
      await rig.json<{ name: string; instance: string | null; memory: boolean; volume: string | null }[]>(
        "snapshot",
        "list",
      ),
    ];
    const status = (name: string) => instances.get(name)?.status;
    expect(["put", "packed", "back", "run1", "run2"].map(status)).toEqual([
      "shelved",
      "shelved",
      "shutoff",
      "active",
      "active",
    ]);
    expect(instances.get("resized")).toMatchObject({ ram_bytes: 160 * 1024 ** 2 });
    expect(disks.get("in")).toMatchObject({ status: "in-use", instance: "attached" });
    expect(disks.get("out")).toMatchObject({ status: "available", instance: null });
    expect(disks.get("grown")).toMatchObject({ size_bytes: 32 * 1024 ** 2 });
    expect(disks.get("data")).toMatchObject({ instance: "with-data", device: "vdb" });
    expect(disks.get("root")).toMatchObject({ instance: "booted", device: "vda" });
    expect(disks.has("gone")).toBe(false);
    expect(["n1", "n2", "n3", "n4"].every((name) => disks.has(name))).toBe(true);
    expect(["base", "of-instance", "of-volume", "packed-shelved", "put-shelved"]).toEqual([...images.keys()].sort());
    const named = (instance: string, memory: boolean) =>
      snapshots.filter((one) => one.instance === instance && one.memory === memory).map((one) => one.name);
    expect(named("run1", true).sort()).toEqual(["m1", "m2", "m3"]);
    expect(named("run1", false)).toEqual(["d1"]);
    expect(named("run2", true).sort()).toEqual(["m0", "m1", "m2"]);
    expect(
      snapshots
        .filter((one) => /^s[123]$/.test(one.name))
        .map((one) => one.name)
        .sort(),
    ).toEqual(["s1", "s2", "s3"]);
    await rig.heal();
    expect(await bootId()).toBe(boot);
    for (const name of ["m3", "m1"]) await rig.ok("snapshot", "revert", `run1/${name}`);
    expect(await rig.guest("run1", "echo alive")).toBe("alive");
  });
});
