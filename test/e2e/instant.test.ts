import { existsSync, mkdirSync, readdirSync, renameSync, statSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { sure } from "./processes.ts";
import { makeRig, type Rig, virsh, whilePulling } from "./rig.ts";

describe("an instance that boots from a backup", () => {
  let rig: Rig;
  let target: string;
  let full: string;
  let last: string;
  const copies = new Map<string, string>();
  const disk = (id: string, device = "vda") => join(target, id, `${device}.qcow2`);
  const marks = (id: string) => readdirSync(join(target, id)).filter((name) => name.startsWith("use-"));
  const restore = (name: string, ...more: string[]) => [
    ...["backup", "restore", last, "--target", target, "--instance", name, "--key-name", "k", "--instant"],
    ...more,
  ];
  const backup = async (...args: string[]) =>
    (await rig.json<{ id: string }>("backup", "web1", "--target", target, "--type", "nightly", ...args)).id;
  const writeOwn = () =>
    rig.guest("web2", "echo own > /root/own; dd if=/dev/zero of=/dev/vdb bs=1M count=3 seek=20 2>/dev/null; sync");
  /** The backups read as they did when they were taken. */
  const requireUntouched = async () => {
    for (const [file, copy] of copies) if (existsSync(file)) await sure("qemu-img", "compare", "-U", file, copy);
  };
  beforeAll(async () => {
    rig = await makeRig();
    target = join(rig.folder, "target");
    mkdirSync(target);
    const random = join(rig.folder, "random.img");
    await sure("sh", "-c", `head -c 200M /dev/urandom > ${random}`);
    await rig.ok("image", "create", "random", "--file", random, "--disk-format", "raw");
    await rig.ok("volume", "create", "data", "--from-image", "random");
    await rig.create("web1");
    await rig.ok("volume", "attach", "web1", "data");
    await rig.guest("web1", "echo full > /root/state; sync");
    full = await backup("--rotation", "9", "--incremental");
    await rig.guest("web1", "echo last > /root/state; dd if=/dev/urandom of=/dev/vdb bs=1M count=5 seek=50; sync");
    last = await backup("--rotation", "9", "--incremental", "--compress");
    for (const id of [full, last]) {
      for (const device of ["vda", "vdb"]) {
        const copy = join(rig.folder, `${id}-${device}.qcow2`);
        await sure("qemu-img", "convert", "-O", "qcow2", disk(id, device), copy);
        copies.set(disk(id, device), copy);
      }
    }
  });

  it("refuses what makes no sense, with nothing changed", async () => {
    for (const odd of [restore("web2", "--no-start"), ["backup", "restore", last, "--volume", "v", "--instant"]]) {
      const ran = await rig.estrato(...odd);
      expect(ran.code, ran.stderr).toBe(2);
    }
    const taken = await rig.estrato(...restore("web1"));
    expect(taken.code, taken.stderr).toBe(5);
    expect(marks(last)).toEqual([]);
    expect(await rig.json("doctor")).toEqual([]);
  });

  it("runs at once: it reads what the backup holds and writes its own, while the backup stays as it is", async () => {
    const ran = await rig.estrato(...restore("web2", "--no-wait"), "-f", "json");
    expect(ran.code, ran.stderr).toBe(0);
    expect(JSON.parse(ran.stdout)).toMatchObject({ instance: "web2", id: expect.any(String) });
    expect(ran.stderr).toContain(`estrato backup restore ${last} --instance web2 --instant`);
    expect(await rig.guest("web2", "cat /root/state")).toBe("last");
    await writeOwn();
    expect(marks(last)).toHaveLength(2);
    expect(await rig.json("doctor")).toEqual([]);
    const checked = await rig.estrato("check", "web2");
    expect(checked.stdout).toContain(`backup ${last} is still read by instance web2 vda`);
    await requireUntouched();
    await rig.ok("backup", "verify", "--all", "--target", target);
  });

  it("keeps the backups that are read where they are: none is deleted, merged or rotated away", async () => {
    for (const id of [full, last]) {
      const ran = await rig.estrato("backup", "delete", id, "-y", "--target", target);
      expect(ran.code).toBe(5);
      expect(ran.stderr).toContain("instance web2 of");
    }
    const ran = await rig.estrato(
      "backup",
      "web1",
      "--target",
      target,
      "--type",
      "nightly",
      "--rotation",
      "1",
      "--incremental",
    );
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).toContain(`backup ${full}: kept this time, in use: instance web2`);
    expect((await rig.json<unknown[]>("backup", "list", "--target", target)).length).toBe(3);
    await requireUntouched();
  });

  it("starts again from the backup, and says it in a line where its disk is not mounted", async () => {
    await rig.ok("instance", "stop", "web2");
    renameSync(target, `${target}.away`);
    const ran = await rig.estrato("instance", "start", "web2");
    expect(ran.code).toBe(6);
    expect(ran.stderr).toContain("mounted");
    renameSync(`${target}.away`, target);
    await rig.ok("instance", "start", "web2");
    expect(await rig.guest("web2", "cat /root/state /root/own")).toBe("last\nown");
  });

  it("goes on where it was cut short, and at the end stands by itself", async () => {
    const pull = () => rig.start({}, ...restore("web2"));
    const { child, ended } = await whilePulling("web2", "vdb", pull, async () => {
      await rig.ok("instance", "delete", "web2", "-y");
      await rig.ok(...restore("web2", "--no-wait"));
      await writeOwn();
    });
    child.kill("SIGINT");
    expect(await ended).toBe(130);
    expect(await virsh("domstate", "web2")).toBe("running");
    expect(marks(last)).toHaveLength(1);
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok(...restore("web2"));
    expect(marks(last)).toEqual([]);
    expect(await rig.guest("web2", "cat /root/state /root/own")).toBe("last\nown");
    const sums =
      "dd if=/dev/vdb bs=1M count=20 2>/dev/null | md5sum; dd if=/dev/vdb bs=1M skip=23 2>/dev/null | md5sum";
    const seen = await rig.guest("web2", sums);
    const raw = join(rig.folder, "vdb.raw");
    await sure("qemu-img", "convert", "-O", "raw", copies.get(disk(last, "vdb")) as string, raw);
    expect(seen).toBe(await sure("sh", "-c", sums.replaceAll("/dev/vdb", raw)));
    for (const { file } of Object.values(rig.state().layers)) expect(file).not.toContain(target);
    await requireUntouched();
    for (const device of ["vda", "vdb"]) expect(statSync(disk(full, device)).uid, "whose the backup is").toBe(0);
    expect(statSync(disk(last)).uid).toBe(0);
    expect(await rig.json("doctor")).toEqual([]);
    // And now they go.
    for (const id of [full, last]) await rig.ok("backup", "delete", id, "-y", "--target", target);
    await rig.ok("backup", "verify", "--all", "--target", target);
    await rig.ok("instance", "reboot", "web2", "--hard").catch(() => rig.ok("instance", "reboot", "web2"));
    expect(await rig.guest("web2", "cat /root/state /root/own")).toBe("last\nown");
    await rig.ok("instance", "delete", "web2", "-y");
  });

  it("is deleted half-way, and then the backup is nobody's", async () => {
    last = await backup("--rotation", "9");
    await rig.ok(...restore("web3", "--no-wait"));
    expect(marks(last)).toHaveLength(2);
    await rig.ok("instance", "delete", "web3", "-y");
    expect(marks(last)).toEqual([]);
    expect(statSync(disk(last)).uid).toBe(0);
    await rig.ok("backup", "delete", last, "-y", "--target", target);
    expect(await rig.json("doctor")).toEqual([]);
  });
});
