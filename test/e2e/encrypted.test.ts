/**
 * Encrypted volumes on real guests: after each operation every layer is LUKS, and neither the data nor the passphrase
 * is to be found anywhere.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killAt, killPoints } from "./crash.ts";
import { type Ran, run, sure } from "./processes.ts";
import { makeRig, type Rig, small, virsh } from "./rig.ts";

const PASSPHRASE = "sesam-7391-open-the-door";
const OTHER = "another-4711-for-the-copy";
const MARKER = "MARKER-8f2c61d0";
interface Layers {
  readonly layers: Record<string, { readonly file: string; readonly secret: string | null }>;
}

describe("encrypted volumes", () => {
  let rig: Rig;
  let key: string;
  let otherKey: string;
  let watching = true;
  /** Passphrases that some process had on its command line. */
  const seen = new Set<string>();
  let watcher: Promise<void>;

  beforeAll(async () => {
    rig = await makeRig();
    key = join(rig.folder, "data.key");
    otherKey = join(rig.folder, "copy.key");
    writeFileSync(key, `${PASSPHRASE}\n`, { mode: 0o600 });
    writeFileSync(otherKey, OTHER, { mode: 0o600 });
    watcher = watchCommandLines();
  });
  afterAll(async () => {
    watching = false;
    await watcher;
    expect([...seen]).toEqual([]);
  });

  async function watchCommandLines(): Promise<void> {
    while (watching) {
      for (const id of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
        for (const file of ["cmdline", "environ"]) {
          try {
            const text = readFileSync(`/proc/${id}/${file}`, "utf8");
            for (const secret of [PASSPHRASE, OTHER]) if (text.includes(secret)) seen.add(text);
          } catch {
            // it has ended
          }
        }
      }
      await new Promise((next) => setTimeout(next, 20));
    }
  }

  /** With --trace; nothing that it says may hold a passphrase. */
  const traced = async (...args: string[]): Promise<Ran> => {
    const ran = await rig.estrato("--trace", ...args);
    for (const secret of [PASSPHRASE, OTHER]) expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret);
    return ran;
  };
  const ok = async (...args: string[]): Promise<string> => {
    const ran = await traced(...args);
    if (ran.code !== 0) throw new Error(`estrato ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}${ran.stderr}`);
    return ran.stdout;
  };
  const encryptedLayers = () =>
    Object.values((rig.state() as unknown as Layers).layers).filter(({ secret }) => secret !== null);
  const grep = (text: string, folder: string) => run("grep", ["-r", "-l", "-a", "-F", "-e", text, folder]);
  /** The passphrase comes from a file: what looks for it must not show it itself. */
  const grepFor = (file: string, folder: string) => run("grep", ["-r", "-l", "-a", "-F", "-f", file, folder]);

  /** What must hold after every operation. `layers`: how many encrypted ones there are. */
  async function check(layers: number): Promise<void> {
    expect(encryptedLayers()).toHaveLength(layers);
    for (const { file } of encryptedLayers()) {
      const info = JSON.parse(await sure("qemu-img", "info", "-U", "--output=json", file)) as { encrypted?: boolean };
      expect(info.encrypted, file).toBe(true);
    }
    expect((await grep(MARKER, join(rig.home, "layers"))).stdout).toBe("");
    for (const file of [key, otherKey]) expect((await grepFor(file, rig.home)).stdout).toBe("");
    const found = await rig.json<unknown[]>("doctor");
    expect(found).toEqual([]);
  }

  /** The encrypted disk, wherever the guest has put it. */
  const disk = `$(for d in /sys/block/vd[b-y]; do case "$(cat $d/serial)" in vol-*) echo /dev/\${d##*/};; esac; done)`;
  const write = (instance: string, name: string) =>
    rig.guest(
      instance,
      `mount -t ext4 ${disk} /mnt && for i in $(seq 200); do echo ${MARKER}-$i; done > /mnt/${name} && umount /mnt`,
    );
  const files = async (instance: string) => {
    const line = `mount -t ext4 ${disk} /mnt && cd /mnt && grep -c ${MARKER} [a-z][0-9]; cd / && umount /mnt`;
    return (await rig.guest(instance, line)).split("\n").sort();
  };
  const holding = (...names: string[]) => (names.length === 1 ? ["200"] : names.map((name) => `${name}:200`));
  const stop = () => ok("instance", "stop", "web1");
  const start = () => ok("instance", "start", "web1", "--wait", "agent");

  it("refuses what it cannot encrypt with, and changes nothing", async () => {
    const before = JSON.stringify(rig.state());
    const empty = join(rig.folder, "empty.key");
    writeFileSync(empty, "\n");
    const binary = join(rig.folder, "binary.key");
    writeFileSync(binary, Buffer.from([0xff, 0xfe, 0x00, 0x01]));
    const create = ["volume", "create", "data1", "--size", "64M"];
    const refused: [number, string[]][] = [
      [2, [...create, "--encrypt"]],
      [2, [...create, "--passphrase-file", key]],
      [2, [...create, "--encrypt", "--passphrase-file", empty]],
      [2, [...create, "--encrypt", "--passphrase-file", binary]],
      [6, [...create, "--encrypt", "--passphrase-file", join(rig.folder, "nothing")]],
      [6, [...create, "--encrypt", "--passphrase-file", rig.folder]],
      [2, ["volume", "create", "data1", "--from-image", "base", "--encrypt", "--passphrase-file", key]],
      [2, ["image", "save", "base", "--file", join(rig.folder, "x"), "--encrypt"]],
      [2, ["image", "save", "base", "--file", join(rig.folder, "x"), "--passphrase-file", key]],
    ];
    const saving = ["image", "save", "base", "--file", join(rig.folder, "x"), "--encrypt", "--passphrase-file", key];
    refused.push([2, [...saving, "--compress"]], [2, [...saving, "--disk-format", "raw"]]);
    for (const [code, args] of refused) {
      const ran = await traced(...args);
      expect(ran.code, `${args.join(" ")}\n${ran.stderr}`).toBe(code);
    }
    expect(JSON.stringify(rig.state())).toBe(before);
    expect(await virsh("secret-list")).not.toMatch(/[0-9a-f]{8}-/);
    const plan = await ok("--dry-run", ...create, "--encrypt", "--passphrase-file", key);
    expect(plan).toContain("--object secret,id=sec0,file=/dev/fd/3");
    expect(await virsh("secret-list")).not.toMatch(/[0-9a-f]{8}-/);
  });

  it("stays encrypted through snapshots of a running guest, their deletion in the middle, and offline ones", async () => {
    await rig.create("web1");
    await ok("volume", "create", "data1", "--size", "64M", "--encrypt", "--passphrase-file", key);
    expect(await rig.json("volume", "show", "data1")).toMatchObject({ encrypted: true, status: "available" });
    await check(1);
    await ok("volume", "attach", "web1", "data1");
    await rig.guest("web1", `mkfs.ext4 -q ${disk}`);
    await write("web1", "a1");
    await check(1);
    for (const [index, name] of ["s1", "s2"].entries()) {
      await ok("snapshot", "create", "--volume", "data1", name);
      await write("web1", `a${index + 2}`);
    }
    await check(3);
    await ok("snapshot", "delete", "data1/s1");
    await check(2);
    await ok("snapshot", "delete", "data1/s2");
    await check(1);
    expect(await files("web1")).toEqual(holding("a1", "a2", "a3"));
    await ok("snapshot", "create", "--volume", "data1", "s3");
    await write("web1", "a4");
    await stop();
    await ok("snapshot", "create", "--volume", "data1", "s4");
    await ok("snapshot", "create", "--volume", "data1", "s5");
    await check(4);
    await ok("snapshot", "delete", "data1/s4");
    await check(3);
    await ok("snapshot", "delete", "data1/s3");
    await check(2);
    await start();
    expect(await files("web1")).toEqual(holding("a1", "a2", "a3", "a4"));
    await ok("snapshot", "delete", "data1/s5");
    await check(1);
  });

  it("goes back with its instance, with memory and without, and grows", async () => {
    await ok("snapshot", "create", "web1", "i1");
    await write("web1", "b1");
    await ok("snapshot", "revert", "web1/i1", "-y");
    await check(3);
    expect(await files("web1")).toEqual(holding("a1", "a2", "a3", "a4"));
    await ok("snapshot", "unrevert", "web1", "-y");
    expect(await files("web1")).toEqual(holding("a1", "a2", "a3", "a4", "b1"));
    await rig.guest("web1", "echo remembered > /run/word");
    const told = await traced("snapshot", "create", "web1", "m1", "--memory");
    expect(told.code, told.stderr).toBe(0);
    expect(told.stderr).toContain("its memory is not encrypted");
    await rig.guest("web1", "echo forgotten > /run/word");
    await write("web1", "b2");
    await ok("snapshot", "revert", "web1/m1", "-y", "--discard");
    expect(await rig.guest("web1", "cat /run/word")).toBe("remembered");
    expect(await files("web1")).toEqual(holding("a1", "a2", "a3", "a4", "b1"));
    const list = await rig.json<{ id: string; name: string }[]>("snapshot", "list", "web1");
    for (const { id } of list) await ok("snapshot", "delete", id, "-y");
    await check(1);
    await ok("volume", "resize", "data1", "80M");
    expect(await rig.guest("web1", `blockdev --getsize64 ${disk}`)).toBe(String(80 * 1024 ** 2));
    await stop();
    await ok("volume", "resize", "data1", "96M");
    await start();
    expect(await rig.guest("web1", `blockdev --getsize64 ${disk}`)).toBe(String(96 * 1024 ** 2));
    expect(await files("web1")).toEqual(holding("a1", "a2", "a3", "a4", "b1"));
    await check(1);
  });

  it("makes images, clones and instances that are encrypted as it is, and leaves the host only encrypted", async () => {
    await ok("image", "create", "gold", "--from-volume", "data1");
    await ok("volume", "create", "clone", "--from-image", "gold", "--size", "112M");
    expect(await rig.json("volume", "show", "clone")).toMatchObject({ encrypted: true });
    await check(3);
    await ok(
      "instance",
      "create",
      "web2",
      "--image",
      "base",
      ...small,
      "--key-name",
      "k",
      "--volume",
      "clone",
      "--wait",
      "agent",
    );
    expect(await files("web2")).toEqual(holding("a1", "a2", "a3", "a4", "b1"));
    await write("web2", "c1");
    await check(3);
    const out = join(rig.folder, "gold.qcow2");
    const plain = await traced("image", "save", "gold", "--file", out);
    expect(plain.code).toBe(6);
    expect(plain.stderr).toContain("--encrypt");
    await ok("image", "save", "gold", "--file", out, "--encrypt", "--passphrase-file", otherKey);
    const piped = join(rig.folder, "piped.qcow2");
    const line = `exec '${process.cwd()}/bin/estrato' --trace image save base --file - --encrypt --passphrase-file '${otherKey}' > '${piped}'`;
    const streamed = await run("sh", ["-c", line], { ESTRATO_HOME: rig.home });
    expect(streamed.code, streamed.stderr).toBe(0);
    expect(streamed.stderr).not.toContain(OTHER);
    const opened = (file: string) =>
      `json:${JSON.stringify({ driver: "qcow2", "encrypt.key-secret": "s", file: { driver: "file", filename: file } })}`;
    const object = ["--object", `secret,id=s,file=${otherKey}`];
    const raw = join(rig.folder, "gold.raw");
    for (const file of [out, piped]) {
      const info = JSON.parse(await sure("qemu-img", "info", "--output=json", file)) as Record<string, unknown>;
      expect(info).toMatchObject({ encrypted: true });
      expect(info["backing-filename"]).toBeUndefined();
    }
    expect((await grep(MARKER, out)).stdout).toBe("");
    await sure("qemu-img", "convert", ...object, "-O", "raw", opened(out), raw);
    expect((await grep(MARKER, raw)).stdout).not.toBe("");
    await sure("qemu-img", "compare", ...object, opened(piped), rig.base);
    await ok("instance", "delete", "web2", "-y");
    await ok("volume", "delete", "clone", "-y");
    await ok("image", "delete", "gold", "-y");
    await check(1);
  });

  it("is shelved, packed and brought back encrypted", async () => {
    await ok("instance", "shelve", "web1", "--offload", "-y");
    await check(2);
    await ok("instance", "unshelve", "web1");
    expect(await files("web1")).toEqual(holding("a1", "a2", "a3", "a4", "b1"));
    await check(1);
  });

  it("says so where libvirt has lost the secret, and changes nothing", async () => {
    const [secret] = /[0-9a-f-]{36}/.exec(await virsh("secret-list")) ?? [];
    const xml = await virsh("secret-dumpxml", secret ?? "");
    await virsh("secret-undefine", secret ?? "");
    const before = [JSON.stringify(rig.state()), rig.layers().join(" ")];
    const ran = await traced("snapshot", "create", "--volume", "data1", "lost");
    expect(ran.code, ran.stderr).toBe(6);
    expect(ran.stderr).toContain("libvirt has no such secret");
    expect([JSON.stringify(rig.state()), rig.layers().join(" ")]).toEqual(before);
    const looked = await rig.estrato("doctor");
    expect(looked.stdout).toContain(`secret ${secret}`);
    const file = join(rig.folder, "secret.xml");
    writeFileSync(file, xml);
    await virsh("secret-define", file);
    writeFileSync(otherKey, "wrong");
    await virsh("secret-set-value", secret ?? "", "--plain", "--file", otherKey);
    const wrong = await traced("snapshot", "create", "--volume", "data1", "lost");
    expect(wrong.code, wrong.stderr).toBe(6);
    expect(wrong.stderr).toContain("it is another passphrase");
    expect([JSON.stringify(rig.state()), rig.layers().join(" ")]).toEqual(before);
    writeFileSync(otherKey, PASSPHRASE);
    await virsh("secret-set-value", secret ?? "", "--plain", "--file", otherKey);
    await check(1);
  });

  it("takes the secret from libvirt with its last layer, and not before", async () => {
    await ok("snapshot", "create", "--volume", "data1", "last");
    await ok("volume", "detach", "web1", "data1");
    await ok("volume", "delete", "data1", "-y");
    await check(1);
    expect(await virsh("secret-list")).toMatch(/[0-9a-f]{8}-/);
    const snapshots = await rig.json<{ id: string }[]>("snapshot", "list");
    for (const { id } of snapshots) await ok("snapshot", "delete", id, "-y");
    await check(0);
    expect(await virsh("secret-list")).not.toMatch(/[0-9a-f]{8}-/);
  });

  it("is there or not after a kill anywhere in its creation and its deletion, and so is its secret", async () => {
    const create = (name: string) => ["volume", "create", name, "--size", "8M", "--encrypt", "--passphrase-file", key];
    const secrets = async () => (await virsh("secret-list")).match(/[0-9a-f]{8}-/g)?.length ?? 0;
    for (const point of await killPoints(rig, ...create("first"))) {
      const before = await secrets();
      await killAt(rig, point, ...create("killed"));
      await rig.heal();
      const there = (await rig.estrato("volume", "show", "killed")).code === 0;
      expect(await secrets(), point.title).toBe(before + (there ? 1 : 0));
      expect(encryptedLayers(), point.title).toHaveLength(there ? 2 : 1);
      if (there) await ok("volume", "delete", "killed", "-y");
    }
    await ok("volume", "delete", "first", "-y");
    await ok(...create("second"));
    const deletion = await (async () => {
      await ok(...create("third"));
      return killPoints(rig, "volume", "delete", "third", "-y");
    })();
    for (const point of deletion) {
      if ((await rig.estrato("volume", "show", "second")).code !== 0) await ok(...create("second"));
      await killAt(rig, point, "volume", "delete", "second", "-y");
      await rig.heal();
      const there = (await rig.estrato("volume", "show", "second")).code === 0;
      expect(await secrets(), point.title).toBe(there ? 1 : 0);
      expect(encryptedLayers(), point.title).toHaveLength(there ? 1 : 0);
    }
  });
});
