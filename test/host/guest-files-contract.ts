/** What src/host says of a guest's file systems, asked of the real libguestfs and of the programs that stand for it. */
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GuestPart, Unpacked } from "../../src/core/model/guest-files.ts";
import type { OpenGuest } from "../../src/core/ports.ts";

export interface GuestRig {
  /** Its disk vda holds `hostileTree`. */
  readonly guest: OpenGuest;
  /** For what comes out. */
  readonly folder: string;
  close(): Promise<void>;
}

const HOLE_BYTES = 3 * 2 ** 20;
const NOT_UTF8 = Buffer.from([0x6e, 0xff, 0xfe]);

/** What a guest may hold that wants to do harm, or to be overlooked. */
export function hostileTree(folder: string): void {
  const etc = join(folder, "etc");
  mkdirSync(join(etc, "deep/er"), { recursive: true });
  mkdirSync(join(folder, "several"));
  for (let index = 0; index < 400; index += 1) writeFileSync(join(folder, "several", `number ${index} of several`), "");
  writeFileSync(join(etc, "fstab"), "hello\n", { mode: 0o640 });
  utimesSync(join(etc, "fstab"), 1_700_000_000, 1_700_000_000);
  writeFileSync(join(etc, "new\nline"), "n");
  writeFileSync(join(etc, "esc\x1b[31m"), "e");
  writeFileSync(join(etc, `it's "so" \\`), "q");
  writeFileSync(Buffer.concat([Buffer.from(`${etc}/`), NOT_UTF8]), "b");
  symlinkSync("/etc/passwd", join(etc, "absolute"));
  symlinkSync("../../../../etc/passwd", join(etc, "up"));
  symlinkSync("deep/er", join(etc, "down"));
  symlinkSync("down/../../..", join(etc, "round"));
  symlinkSync("../fstab", join(etc, "deep/inside"));
  symlinkSync("/etc", join(folder, "inner"));
  symlinkSync("nowhere", join(folder, "dangling"));
  writeFileSync(join(etc, "suid"), "s");
  chmodSync(join(etc, "suid"), 0o4755);
  linkSync(join(etc, "fstab"), join(etc, "hard"));
  writeFileSync(join(etc, "sparse"), "begin");
  truncateSync(join(etc, "sparse"), HOLE_BYTES);
  execFileSync("mkfifo", [join(etc, "fifo")]);
}

export function guestFilesContract(openRig: () => Promise<GuestRig>): void {
  let rig: GuestRig;
  beforeAll(async () => {
    rig = await openRig();
  });
  afterAll(() => rig.close());

  const part = async (path: string, name: string): Promise<GuestPart> => {
    const entry = await rig.guest.look(path);
    if (entry === null) throw new Error(`${path}: it is not there`);
    return { path, name, entry };
  };

  describe("the file systems of a guest", () => {
    test("are told with their types, and no system is made up", async () => {
      expect(await rig.guest.fileSystems()).toContainEqual({ device: "vda", type: "ext4" });
      expect(await rig.guest.systems()).toEqual([]);
    });

    test("can be mounted where they are, and it is said why not", async () => {
      expect(await rig.guest.mount("vda9", "/")).toMatch(/vda9|sda9/);
      expect(await rig.guest.mount("vda", "/")).toBeNull();
    });

    test("hold files, of which all is told and no link is followed", async () => {
      expect(await rig.guest.look("/etc/fstab")).toEqual({
        name: "fstab",
        kind: "file",
        mode: 0o640,
        uid: process.getuid?.(),
        gid: process.getgid?.(),
        sizeBytes: 6,
        modifiedAt: new Date(1_700_000_000_000),
      });
      expect(await rig.guest.look("/etc/absolute")).toMatchObject({ kind: "link", sizeBytes: 11 });
      expect(await rig.guest.look("/etc/suid")).toMatchObject({ mode: 0o4755 });
      expect(await rig.guest.look("/etc/nothing")).toBeNull();
      expect(await rig.guest.look("/etc/fstab/below")).toBeNull();
    });

    test("are listed whatever the names are", async () => {
      const found = await rig.guest.list("/etc");
      const kinds = Object.fromEntries(found.map(({ name, kind }) => [name, kind]));
      expect(kinds).toEqual({
        absolute: "link",
        deep: "folder",
        down: "link",
        "esc\x1b[31m": "file",
        fifo: "fifo",
        fstab: "file",
        hard: "file",
        'it\'s "so" \\': "file",
        "n\\xff\\xfe": "file",
        "new\nline": "file",
        round: "link",
        sparse: "file",
        suid: "file",
        up: "link",
      });
      expect(await rig.guest.list("/several")).toHaveLength(400);
      expect(await rig.guest.list("/etc/deep/er")).toEqual([]);
    });

    test("resolve links within the guest", async () => {
      expect(await rig.guest.realPath("/inner/deep/../fstab")).toBe("/etc/fstab");
      expect(await rig.guest.realPath("/../..")).toBe("/");
      expect(await rig.guest.realPath("/dangling")).toBeNull();
    });
  });

  describe("what comes out into a folder", () => {
    test("is the user's, within it, and what could do harm stays behind", async () => {
      const to = join(rig.folder, "out");
      const found = await rig.guest.unpack([await part("/etc", "etc"), await part("/etc/suid", "alone")], to, () => {});
      expect(found).toMatchObject({ files: 9, folders: 3, links: 2 });
      expect(readFileSync(join(to, "etc/fstab"), "utf8")).toBe("hello\n");
      expect(lstatSync(join(to, "etc/fstab"))).toMatchObject({ uid: process.getuid?.(), mtimeMs: 1_700_000_000_000 });
      expect(lstatSync(join(to, "etc/fstab")).ino).toBe(lstatSync(join(to, "etc/hard")).ino);
      for (const suid of ["etc/suid", "alone"]) expect(lstatSync(join(to, suid)).mode & 0o7777).toBe(0o755);
      const sparse = lstatSync(join(to, "etc/sparse"));
      expect(sparse.size).toBe(HOLE_BYTES);
      expect(sparse.blocks * 512).toBeLessThan(HOLE_BYTES / 4);
      expect(readFileSync(join(to, "etc/sparse")).subarray(0, 6).toString("latin1")).toBe("begin\0");
      expect(readFileSync(Buffer.concat([Buffer.from(`${to}/etc/`), NOT_UTF8]), "utf8")).toBe("b");
      expect(readlinkSync(join(to, "etc/down"))).toBe("deep/er");
      expect(readlinkSync(join(to, "etc/deep/inside"))).toBe("../fstab");
      for (const gone of ["absolute", "up", "round", "fifo"]) expect(() => lstatSync(join(to, "etc", gone))).toThrow();
      expect(found.leftOut).toHaveLength(2);
      expect(found.leftOut.join("\n")).toMatch(/links would lead out.*etc\/absolute/);
      expect(found.leftOut.join("\n")).toMatch(/FIFOs: etc\/fifo/);
    });

    test("replaces nothing, and nothing half is left", async () => {
      const to = join(rig.folder, "taken");
      mkdirSync(join(to, "fstab"), { recursive: true });
      const parts = [await part("/etc/suid", "suid"), await part("/etc/fstab", "fstab")];
      await expect(rig.guest.unpack(parts, to, () => {})).rejects.toThrow("taken/fstab: it is there already");
      expect(readdirSync(to)).toEqual(["fstab"]);
      const none = join(rig.folder, "none/below");
      await expect(rig.guest.unpack(parts, none, () => {})).rejects.toThrow();
      expect(existsSync(join(rig.folder, "none"))).toBe(false);
    });
  });

  test("what comes out as an archive has its owners and all of its links", async () => {
    let told: Unpacked | null = null;
    const pieces: Uint8Array[] = [];
    const archive = rig.guest.pack([await part("/etc", "etc")], (unpacked) => {
      told = unpacked;
    });
    for await (const piece of archive) pieces.push(piece);
    const file = join(rig.folder, "etc.tar");
    writeFileSync(file, Buffer.concat(pieces));
    const listed = execFileSync("tar", ["--numeric-owner", "-tvf", file], { encoding: "utf8" });
    expect(listed).toMatch(
      new RegExp(`^-rw-r----- ${process.getuid?.()}/${process.getgid?.()} +6 .* etc/(fstab|hard)$`, "m"),
    );
    expect(listed).toMatch(/^lrwxrwxrwx .* etc\/absolute -> \/etc\/passwd$/m);
    expect(listed).toMatch(/^-rwxr-xr-x .* etc\/suid$/m);
    expect(listed).not.toMatch(/fifo/);
    expect(told).toMatchObject({ files: 8, leftOut: [expect.stringMatching(/FIFOs: etc\/fifo/)] });
  });
}
