import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { until } from "../wait.ts";
import { killAt, killPoints } from "./crash.ts";
import { ssh } from "./guest.ts";
import { run, sure } from "./processes.ts";
import { makeRig, type Rig, virsh } from "./rig.ts";

interface Backup {
  readonly id: string;
  readonly type: string;
  readonly instance: string;
  readonly status: string;
  readonly incremental: boolean;
  readonly parent: string | null;
  readonly written_bytes: number;
  readonly protected: boolean;
  readonly consistency: string;
}

describe("backups of a running guest", () => {
  let rig: Rig;
  let target: string;
  beforeAll(async () => {
    rig = await makeRig();
    target = join(rig.folder, "target");
    mkdirSync(target);
    await rig.create("web1");
  });
  const backup = (...args: string[]) => rig.json<Backup>("backup", "web1", "--target", target, ...args);
  const list = (...args: string[]) => rig.json<Backup[]>("backup", "list", "--target", target, ...args);
  const disk = (id: string) => join(target, id, "vda.qcow2");
  /** What a backup's disk reads as, by qemu-img alone. */
  const copyOf = async (id: string) => {
    const copy = join(rig.folder, `${id}.qcow2`);
    await sure("qemu-img", "convert", "-O", "qcow2", disk(id), copy);
    return copy;
  };

  it("refuses what says nothing of rotation, and a target that is not there", async () => {
    const none = await rig.estrato("backup", "web1", "--target", target);
    expect(none.code).toBe(2);
    const nowhere = await rig.estrato("backup", "web1", "--target", join(rig.folder, "nowhere"), "--rotation", "1");
    expect(nowhere.code).toBe(6);
    expect(readdirSync(target)).toEqual([]);
    expect(await rig.json("snapshot", "list", "web1")).toEqual([]);
  });

  it("keeps two of type daily, the third sends the first away, and another type is left alone", async () => {
    const ids: string[] = [];
    ids.push((await backup("--rotation", "1", "--type", "weekly")).id);
    for (const night of ["one", "two", "three"]) {
      await rig.guest("web1", `echo ${night} > /root/night; sync`);
      const made = await backup("--rotation", "2", "--type", "daily");
      expect(made).toMatchObject({ type: "daily", instance: "web1", incremental: false, consistency: "filesystem" });
      ids.push(made.id);
    }
    const [weekly, first, second, third] = ids;
    expect((await list("--type", "daily")).map(({ id }) => id)).toEqual([second, third]);
    expect((await list()).map(({ id }) => id)).toEqual([weekly, second, third]);
    expect(existsSync(disk(first as string))).toBe(false);
    // Nothing of it is left in the store but the bookmark's layer.
    expect(await rig.json("snapshot", "list", "web1")).toEqual([]);
    expect(await rig.json("doctor")).toEqual([]);
  });

  it("writes little more than what changed, and rotation merges without changing what remains", async () => {
    for (const { id } of await list()) await rig.ok("backup", "delete", id, "-y");
    const full = await backup("--rotation", "9", "--type", "nightly", "--incremental");
    expect(full.incremental).toBe(false);
    const copies = new Map([[full.id, await copyOf(full.id)]]);
    for (const night of [1, 2, 3]) {
      await rig.guest("web1", `dd if=/dev/urandom of=/root/n${night} bs=64k count=32 2>/dev/null; sync`);
      const made = await backup("--rotation", "9", "--type", "nightly", "--incremental");
      expect(made.incremental).toBe(true);
      expect(made.written_bytes).toBeLessThan(2 * 2 ** 20 * 3);
      copies.set(made.id, await copyOf(made.id));
    }
    await rig.ok("backup", "verify", "--all", "--target", target);
    const planned = await rig.ok("backup", "web1", "--target", target, "--rotation", "3", "--type", "nightly", "-n");
    expect(planned).toContain(`Backup ${full.id} will go: beyond rotation 3.`);
    // Four to three: the full one goes, and what stood on it takes its place.
    const last = await backup("--rotation", "3", "--type", "nightly", "--incremental");
    copies.set(last.id, await copyOf(last.id));
    const left = await list();
    expect(left).toHaveLength(3);
    expect(left[0]?.incremental).toBe(false);
    for (const { id } of left) await sure("qemu-img", "compare", disk(id), copies.get(id) as string);
    // And from the middle.
    await rig.ok("backup", "delete", left[1]?.id as string, "-y");
    for (const { id } of await list()) await sure("qemu-img", "compare", disk(id), copies.get(id) as string);
    const verified = await rig.json<{ status: string }[]>("backup", "verify", "--all", "--target", target);
    expect(verified.map(({ status }) => status)).toEqual(["ok", "ok"]);
  });

  it("restores to a new instance, to a volume, and in place, which can be undone", async () => {
    await rig.guest("web1", "echo before > /root/state; sync");
    const made = await backup("--rotation", "9", "--type", "nightly", "--incremental", "--name", "good");
    await rig.guest("web1", "echo after > /root/state; sync");

    await rig.ok("backup", "restore", "good", "--instance", "web2");
    expect(await rig.guest("web2", "cat /root/state")).toBe("before");
    expect(await virsh("domstate", "web1")).toBe("running");
    await rig.ok("instance", "delete", "web2", "-y");
    await rig.ok("instance", "create", "web3", "--backup", "good", "--key-name", "k");
    expect(await rig.guest("web3", "cat /root/state")).toBe("before");
    await rig.ok("instance", "delete", "web3", "-y");

    await rig.ok("backup", "restore", "good", "--volume", "old", "--disk", "vda");
    await rig.ok("volume", "delete", "old", "-y");

    const refused = await rig.estrato("backup", "restore", "good", "--in-place");
    expect(refused.code).toBe(8);
    await rig.ok("backup", "restore", made.id, "--in-place", "-y");
    expect(await rig.guest("web1", "cat /root/state")).toBe("before");
    await rig.ok("snapshot", "unrevert", "web1");
    expect(await rig.guest("web1", "cat /root/state")).toBe("after");
    expect((await rig.json<unknown[]>("image", "list")).length).toBe(1);
    expect(await rig.json("doctor")).toEqual([]);
  });

  it("finds a single flipped byte anywhere, names it, and restores nothing of it", async () => {
    const [first] = await list();
    const folder = join(target, first?.id as string);
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      const good = readFileSync(path);
      const bad = Buffer.from(good);
      const at = Math.floor(Math.random() * bad.length);
      bad[at] = (bad[at] as number) ^ 1;
      await sure("chmod", "600", path);
      writeFileSync(path, bad);
      const ran = await rig.estrato("backup", "verify", first?.id as string, "--target", target);
      expect(ran.code, `${name} at ${at}: ${ran.stdout}`).toBe(9);
      expect(ran.stderr).toContain(name);
      const restored = await rig.estrato(
        "backup",
        "restore",
        first?.id as string,
        "--volume",
        "bad",
        "--target",
        target,
      );
      expect(restored.code).toBe(9);
      writeFileSync(path, good);
    }
    await rig.ok("backup", "verify", first?.id as string, "--target", target);
  });

  it("boots a throw-away guest from it, takes a picture, and leaves nothing", async () => {
    const picture = join(rig.folder, "screen");
    const boot = ["backup", "verify", "good", "--boot", "--screenshot", picture, "--target", target];
    expect(await rig.json(...boot)).toMatchObject({ status: "ok", booted_ms: expect.any(Number) });
    expect(existsSync(picture)).toBe(true);
    expect((await virsh("list", "--all", "--name")).trim()).toBe("web1");
    const late = await rig.estrato(...boot, "--timeout", "1s");
    expect(late.code).toBe(9);
    expect(late.stderr).toContain("no guest agent answered");
    const disks = (await sure("find", target, "-name", "*.qcow2")).split("\n");
    expect(disks.map((file) => statSync(file).uid)).toEqual(disks.map(() => 0)); // not QEMU's user's
    expect((await virsh("list", "--all", "--name")).trim()).toBe("web1");
    expect(await rig.json("doctor")).toEqual([]);
    await rig.ok("backup", "verify", "good", "--target", target);
  });

  it("refuses a target that has been unmounted, and goes on when it is back", async () => {
    renameSync(target, `${target}.away`);
    mkdirSync(target);
    const ran = await rig.estrato("backup", "web1", "--target", target, "--rotation", "9");
    expect(ran.code).toBe(6);
    expect(ran.stderr).toContain("mounted");
    expect(readdirSync(target)).toEqual([]);
    await sure("rmdir", target);
    renameSync(`${target}.away`, target);
    expect((await backup("--rotation", "9", "--incremental")).incremental).toBe(true);
  });

  it("removes what was begun in a target that was unmounted before it could be undone, and ends the merge that was cut off", async () => {
    const [content, mounted] = [join(rig.folder, "content"), join(rig.folder, "mounted")];
    for (const folder of [content, mounted]) mkdirSync(folder);
    const mount = () => sure("mount", "--bind", content, mounted);
    await mount();
    const command = ["backup", "web1", "--target", mounted, "--incremental", "--rotation", "2"];
    const copies = new Map<string, string>();
    for (const word of ["one", "two"]) {
      await rig.guest("web1", `echo ${word} > /root/word; sync`);
      const { id } = await rig.json<Backup>(...command);
      const copy = join(rig.folder, `${id}.mounted.qcow2`);
      await sure("qemu-img", "convert", "-O", "qcow2", join(mounted, id, "vda.qcow2"), copy);
      copies.set(id, copy);
    }
    const sound = async () => {
      expect(readdirSync(mounted).filter((name) => name.endsWith(".part"))).toEqual([]);
      await rig.ok("backup", "verify", "--all", "--target", mounted);
      for (const { id } of await rig.json<Backup[]>("backup", "list", "--target", mounted)) {
        const copy = copies.get(id);
        if (copy !== undefined) await sure("qemu-img", "compare", join(mounted, id, "vda.qcow2"), copy);
      }
      expect(await rig.json("doctor")).toEqual([]);
    };
    const points = (await killPoints(rig, ...command)).filter(({ at }) => at.startsWith("backup."));
    const cut = ["copy-disks", "merge", "prepare-manifest", "put-merged-files"];
    for (const step of cut) {
      const point = points.find((one) => one.id === step) as (typeof points)[number];
      await rig.guest("web1", `echo "${step}" > /root/word; sync`);
      await killAt(rig, point, ...command);
      // A child that was at work for the one that was killed ends by itself.
      await until("it can be unmounted", async () => (await run("umount", [mounted])).code === 0);
      // The instance is free, and no command takes the empty mount point for the target.
      await rig.ok("instance", "reboot", "web1");
      await rig.ok("snapshot", "create", "web1", "meanwhile");
      await rig.ok("snapshot", "delete", "web1/meanwhile");
      expect(readdirSync(mounted)).toEqual([]);
      await mount();
      if (step === "copy-disks") {
        const [part] = readdirSync(mounted).filter((name) => name.endsWith(".part"));
        expect(await rig.json("doctor").catch((error: Error) => error.message)).toContain(part);
        await rig.ok("backup", "prune", "--rotation", "9", "--target", mounted);
      } else await rig.heal();
      await sound();
      await rig.ok(...command);
      await sound();
    }
    await sure("umount", mounted);
  });

  it("leaves nothing of one whose target is full, and evicts no good one for it", async () => {
    const full = join(rig.folder, "full");
    mkdirSync(full);
    await sure("mount", "-t", "tmpfs", "-o", "size=160m", "tmpfs", full);
    const first = await rig.json<Backup>("backup", "web1", "--target", full, "--rotation", "1");
    const here = async (...args: string[]) => rig.json<Backup[]>("backup", "list", "--target", full, ...args);
    const clean = async () => {
      expect((await here()).map(({ id }) => id)).toEqual([first.id]);
      const names = (await rig.json<{ name: string }[]>("snapshot", "list", "web1")).map(({ name }) => name);
      expect(names.filter((name) => name.startsWith("backup-"))).toEqual([]);
      expect(await rig.json("doctor")).toEqual([]);
    };
    // A write that fails in the middle, as on a full disk: no file may grow beyond 20 MB.
    const line = `ulimit -f 20000; exec bin/estrato backup web1 --target ${full} --rotation 1`;
    const cut = await run("bash", ["-c", line], { ESTRATO_HOME: rig.home });
    expect(cut.code).not.toBe(0);
    await clean();
    await sure("fallocate", "-l", "60m", join(full, "ballast"));
    const refused = await rig.estrato("backup", "web1", "--target", full, "--rotation", "1");
    expect(refused.code).toBe(6);
    await clean();
    expect(readdirSync(full).sort()).toEqual([first.id, "ballast", "estrato-target.json"].sort());
  });

  it("restores from the target alone, with the store gone and the instance with it", async () => {
    await rig.guest("web1", "echo precious > /root/state; sync");
    await backup("--rotation", "9", "--incremental");
    await rig.ok("instance", "delete", "web1", "-y");
    const other = { ESTRATO_HOME: join(rig.folder, "another-store") };
    const listed = await rig.estratoWith(other, "backup", "list", "--target", target, "-f", "json");
    const newest = (JSON.parse(listed.stdout) as Backup[]).at(-1) as Backup;
    await rig.estratoWith(other, "keypair", "import", "k", "--file", `${rig.key}.pub`);
    const ran = await rig.estratoWith(other, "backup", "restore", newest.id, "--target", target, "--instance", "again");
    expect(ran).toMatchObject({ code: 0 });
    const shown = async () =>
      JSON.parse((await rig.estratoWith(other, "instance", "show", "again", "-f", "json")).stdout) as {
        addresses: string[];
      };
    await until("it has an address", async () => (await shown()).addresses.length > 0);
    const { addresses } = await shown();
    expect(await ssh(rig.key, addresses[0] as string, "cat /root/state")).toBe("precious");
  });
});
