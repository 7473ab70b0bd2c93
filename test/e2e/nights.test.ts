import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { type Bare, makeBare } from "./bare.ts";
import { sure } from "./processes.ts";
import { makeRig, type Rig } from "./rig.ts";

const NIGHTS = 30;
const KEPT = 7;

interface Bookmarks {
  readonly bookmarks: Record<string, { readonly disks: readonly { readonly layer: string }[] }>;
  readonly layers: Record<string, { readonly file: string }>;
}

describe("thirty nights of incremental backups, seven kept", () => {
  let rig: Rig;
  let target: string;
  beforeAll(async () => {
    rig = await makeRig();
    target = join(rig.folder, "target");
    mkdirSync(target);
    await rig.create("web1");
  });

  it("each that remains restores to what the disk held that night, bit by bit", async () => {
    const copies = new Map<string, string>();
    for (let night = 1; night <= NIGHTS; night += 1) {
      // New files, rewritten ones, removed ones, discarded space; now and then off, reverted, or much at once.
      const big = night % 10 === 0 ? 160 : 8;
      const change = `dd if=/dev/urandom of=/root/f${night % 5} bs=64k count=${big} conv=fsync 2>/dev/null; echo ${night} >> /root/log`;
      await rig.guest("web1", `${change}; [ ${night % 6} -ne 0 ] || { rm -f /root/f1; fstrim / 2>/dev/null; }; sync`);
      if (night === 9) await rig.ok("snapshot", "create", "web1", "ninth");
      if (night === 14) await rig.ok("snapshot", "revert", "web1/ninth");
      if (night === 20) await rig.ok("snapshot", "delete", "web1/ninth");
      if (night % 8 === 0) await rig.ok("instance", "stop", "web1");
      const made = await rig.json<{ id: string; incremental: boolean }>(
        ...["backup", "web1", "--target", target, "--incremental", "--rotation", String(KEPT), "--type", "nightly"],
      );
      if (night % 8 === 0) await rig.ok("instance", "start", "web1");
      expect(made.incremental, `night ${night}`).toBe(night !== 1 && night !== 14);
      // The layer that it was taken from, copied by qemu-img alone.
      const { bookmarks, layers } = JSON.parse(readFileSync(join(rig.home, "state.json"), "utf8")) as Bookmarks;
      const layer = layers[bookmarks[made.id]?.disks[0]?.layer ?? ""]?.file as string;
      const copy = join(rig.folder, `night-${night}.qcow2`);
      await sure("qemu-img", "convert", "-U", "-O", "qcow2", layer, copy);
      copies.set(made.id, copy);
      for (const old of [...copies.keys()].slice(0, -KEPT)) {
        rmSync(copies.get(old) as string);
        copies.delete(old);
      }
    }
    const left = await rig.json<{ id: string; incremental: boolean }[]>("backup", "list", "web1", "--target", target);
    expect(left.map(({ id }) => id)).toEqual([...copies.keys()]);
    expect(left.map(({ incremental }) => incremental)).toEqual([false, ...Array(KEPT - 1).fill(true)]);
    await rig.ok("backup", "verify", "--all", "--target", target);
    for (const [id, copy] of copies) {
      await sure("qemu-img", "compare", join(target, id, "vda.qcow2"), copy);
      const { id: volume } = await rig.json<{ id: string }>(
        "backup",
        "restore",
        id,
        "--volume",
        `of-${id}`,
        "--target",
        target,
      );
      const { volumes, layers } = rig.state();
      await sure("qemu-img", "compare", layers[volumes[volume]?.head ?? ""]?.file as string, copy);
      await rig.ok("volume", "delete", volume, "-y");
    }
    expect(await rig.json("doctor")).toEqual([]);
  });
});

describe("merges that are refused while nothing has changed", () => {
  let rig: Rig;
  let bare: Bare;
  beforeAll(async () => {
    rig = await makeRig();
    bare = await makeBare(rig, "bare1");
    await rig.ok("instance", "stop", "bare1", "--force");
  });
  const word = 65_536;
  const at = (target: string, ...args: string[]) => [...args, "--target", target];
  /** A full one and one on it, each with words of its own; their ids. */
  const twoIn = async (target: string): Promise<[string, string]> => {
    const ids: string[] = [];
    for (const byte of [1, 2]) {
      await bare.write(byte);
      const wanted = at(target, "backup", "bare1", "--incremental", "--rotation", "9", "--type", "nightly");
      ids.push((await rig.json<{ id: string }>(...wanted)).id);
    }
    return ids as [string, string];
  };
  const text = async (path: string) => (await sure("sha256sum", path)).split(" ")[0];
  /** Changes a byte of the first word that is all `byte`. */
  const spoil = async (path: string, byte: number) => {
    const content = readFileSync(path);
    const place = content.indexOf(Buffer.alloc(word, byte));
    expect(place).toBeGreaterThan(0);
    content[place + 100] = 99;
    await sure("chmod", "600", path);
    writeFileSync(path, content);
  };

  it.each([
    ["in what takes it in", 0, 1],
    ["in what is merged", 1, 2],
  ])("for damage that nobody had found, %s", async (_, index, byte) => {
    const target = join(rig.folder, `spoilt${index}`);
    mkdirSync(target);
    const ids = await twoIn(target);
    const [full, above] = ids;
    const files = ids.map((id) => join(target, id, "vda.qcow2"));
    await spoil(files[index] as string, byte);
    const before = await Promise.all(files.map(text));
    const refused = await rig.estrato(...at(target, "backup", "delete", full, "-y"));
    expect(refused.code).toBe(9);
    expect(refused.stderr).toContain(`${files[index]}: changed between byte`);
    expect(await Promise.all(files.map(text))).toEqual(before);
    const night = at(target, "backup", "bare1", "--incremental", "--rotation", "2", "--type", "nightly");
    const kept = await rig.estrato(...night);
    expect(kept.code).toBe(0);
    const ran = await rig.estrato(...at(target, "backup", "verify", above));
    expect(ran.code).toBe(9);
    const list = await rig.json<{ id: string }[]>(...at(target, "backup", "list"));
    expect(list.map(({ id }) => id)).toEqual(expect.arrayContaining(ids));
  });

  it("for a target without room, in which other things can still be removed", async () => {
    const target = join(rig.folder, "small");
    mkdirSync(target);
    await sure("mount", "-t", "tmpfs", "-o", "size=90m", "tmpfs", target);
    const alone = await rig.json<{ id: string }>(
      ...at(target, "backup", "bare1", "--rotation", "9", "--type", "other"),
    );
    const [full, above] = await twoIn(target);
    await sure("qemu-io", "-c", "write -P 7 6M 1M", await bare.head());
    const made = await rig.json<{ id: string }>(
      ...at(target, "backup", "bare1", "--incremental", "--rotation", "9", "--type", "nightly"),
    );
    await sure("fallocate", "-l", "60m", join(target, "ballast"));
    for (const dry of [["--dry-run"], []]) {
      expect(await rig.estrato(...at(target, "backup", "delete", above, "-y", ...dry))).toMatchObject({ code: 6 });
    }
    expect(readdirSync(target)).toHaveLength(6);
    await rig.ok(...at(target, "backup", "delete", alone.id, "-y"));
    // Its word is written over what is there.
    await rig.ok(...at(target, "backup", "delete", full, "-y"));
    expect((await rig.json<{ id: string }[]>(...at(target, "backup", "list"))).map(({ id }) => id)).toEqual([
      above,
      made.id,
    ]);
    await rig.ok(...at(target, "backup", "verify", "--all"));
    expect(readdirSync(target).sort()).toEqual([above, made.id, "ballast", "estrato-target.json"].sort());
    await sure("umount", target);
  });
});

describe("a target on a file system without holes, links or modes", () => {
  it("takes full and incremental backups, rotates, verifies and restores them", async () => {
    const rig = await makeRig();
    const [image, target] = ["exfat.img", "exfat"].map((name) => join(rig.folder, name)) as [string, string];
    mkdirSync(target);
    await sure("truncate", "-s", "600M", image);
    await sure("mkfs.exfat", image);
    // The test host has a /dev of its own.
    const nodes = [
      "loop-control c 10 237",
      "fuse c 10 229",
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((n) => `loop${n} b 7 ${n}`),
    ];
    for (const node of nodes) await sure("sh", "-c", `[ -e /dev/${node.split(" ")[0]} ] || mknod /dev/${node}`);
    const loop = await sure("losetup", "-f", "--show", image);
    try {
      await sure("mount.exfat-fuse", loop, target);
      await rig.create("fat1");
      for (const night of [1, 2, 3, 4]) {
        await rig.guest(
          "fat1",
          `dd if=/dev/urandom of=/root/f${night} bs=64k count=16 2>/dev/null; echo ${night} > /root/n; sync`,
        );
        await rig.ok("backup", "fat1", "--target", target, "--incremental", "--rotation", "2", "--name", `n${night}`);
      }
      await rig.ok("backup", "protect", "n4", "--target", target);
      expect(await rig.json("backup", "list", "--target", target)).toHaveLength(2);
      await rig.ok("backup", "verify", "--all", "--boot", "--target", target);
      await rig.ok("backup", "restore", "n3", "--instance", "fat2", "--target", target);
      expect(await rig.guest("fat2", "cat /root/n")).toBe("3");
      expect(await rig.json("doctor")).toEqual([]);
    } finally {
      await sure("umount", target);
      await sure("losetup", "-d", loop);
    }
  });
});
