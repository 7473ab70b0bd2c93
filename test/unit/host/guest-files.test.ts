/** Programs that stand for guestfish and qemu-nbd keep the contract, and let the rest be tested without a machine. */
import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { Writable } from "node:stream";
import { type Pack, pack } from "tar-stream";
import { describe, expect, onTestFinished, test } from "vitest";
import { targetOf } from "../../../src/commands/guest-files/words.ts";
import type { GuestDisk } from "../../../src/core/model/guest-files.ts";
import { requireKernel } from "../../../src/host/guest-files/appliance.ts";
import { deviceOf, letterDevice } from "../../../src/host/guest-files/devices.ts";
import { nameText } from "../../../src/host/guest-files/entries.ts";
import { quoted } from "../../../src/host/guest-files/fish.ts";
import { openGuest } from "../../../src/host/guest-files/guest.ts";
import { staysInside } from "../../../src/host/guest-files/links.ts";
import { fromArchive, type Outgoing, placeOf } from "../../../src/host/guest-files/outgoing.ts";
import { repack } from "../../../src/host/guest-files/repack.ts";
import { unpack } from "../../../src/host/guest-files/unpack.ts";
import { SYSTEM_FOLDERS } from "../../../src/host/libvirt-folders.ts";
import { createProcesses } from "../../../src/host/process.ts";
import { createVirsh } from "../../../src/host/virsh.ts";
import type { Streams } from "../../../src/ui/streams.ts";
import { type GuestRig, guestFilesContract, hostileTree } from "../../host/guest-files-contract.ts";

const PROGRAMS = resolve("test/fake/programs");

interface FakeSystem {
  readonly root: string;
  readonly fileSystems: readonly (readonly [string, string])[];
  readonly systems: readonly { readonly root: string; readonly mounts: readonly (readonly [string, string])[] }[];
  readonly unmountable?: Readonly<Record<string, string>>;
}

/** A machine whose guestfish reads the folder `root` of it. */
function machine() {
  const folder = mkdtempSync(join(tmpdir(), "estrato-files-"));
  const bin = join(folder, "bin");
  for (const name of ["bin", "root"]) mkdirSync(join(folder, name));
  for (const name of ["guestfish", "qemu-nbd"]) symlinkSync(join(PROGRAMS, `${name}.mjs`), join(bin, name));
  const fake: FakeSystem = { root: join(folder, "root"), fileSystems: [["/dev/sda", "ext4"]], systems: [] };
  const [disk, described] = [join(folder, "disk.raw"), join(folder, "guest.json")];
  writeFileSync(disk, "");
  const describeAs = (more: Partial<FakeSystem>) => writeFileSync(described, JSON.stringify({ ...fake, ...more }));
  describeAs({});
  const env = {
    ...process.env,
    PATH: `${bin}:${process.env.PATH}`,
    FAKE_GUEST: described,
    SUPERMIN_KERNEL: "/vmlinuz",
  };
  const open = (more: Partial<GuestDisk> = {}, signal = new AbortController().signal, environment = env) => {
    const processes = createProcesses({ env: environment });
    const disks = [{ device: "vda", image: { path: disk, format: "raw" }, passphraseFile: null, ...more }];
    return openGuest(processes, createVirsh(processes, "test:///default", SYSTEM_FOLDERS), environment, disks, signal);
  };
  return { folder, bin, root: fake.root, env, describeAs, open, remove: () => rmSync(folder, { recursive: true }) };
}

function removed(made: ReturnType<typeof machine>) {
  onTestFinished(made.remove);
  return made;
}

async function fakeRig(): Promise<GuestRig> {
  const made = machine();
  hostileTree(made.root);
  const guest = await made.open();
  return {
    guest,
    folder: made.folder,
    async close() {
      await guest.close();
      made.remove();
    },
  };
}

describe("programs that stand for libguestfs", () => guestFilesContract(fakeRig));

/** Folders in memory that this process has made. */
const privateFolders = () => readdirSync("/dev/shm").filter((name) => name.startsWith(`.${process.pid}-`));

describe("the reader", () => {
  test("leaves neither a process nor a folder", async () => {
    const { open } = removed(machine());
    const guest = await open();
    expect(privateFolders()).toHaveLength(1);
    const [folder = ""] = privateFolders();
    expect(readdirSync(`/dev/shm/${folder}`)).toEqual(["pipe", "vda"]);
    await guest.close();
    expect(privateFolders()).toEqual([]);
  });

  test("removes what a killed command has left in memory", async () => {
    const { open } = removed(machine());
    const left = "/dev/shm/.4194999-1-0123456789ab.part";
    mkdirSync(join(left, "libguestfs"), { recursive: true });
    const guest = await open();
    await guest.close();
    expect(readdirSync("/dev/shm")).not.toContain(left.slice("/dev/shm/".length));
  });

  test("opens what is encrypted with the right passphrase alone", async () => {
    const { folder, open } = removed(machine());
    const [path, right, wrong] = [join(folder, "disk.qcow2"), join(folder, "right"), join(folder, "wrong")];
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", path, "1M"]);
    writeFileSync(right, "right\n");
    writeFileSync(wrong, "wrong\n");
    const image = { path, format: "qcow2" };
    const guest = await open({ image, passphraseFile: right });
    await guest.close();
    const refused = open({ image, passphraseFile: wrong });
    await expect(refused).rejects.toMatchObject({
      code: "host",
      message: "disk vda: it is encrypted with another passphrase",
    });
    expect(privateFolders()).toEqual([]);
  });

  test("says which program is missing", async () => {
    const { bin, env, open } = removed(machine());
    rmSync(join(bin, "guestfish"));
    const bare = { ...env, PATH: bin };
    await expect(open({}, undefined, bare)).rejects.toMatchObject({
      code: "host",
      hint: "Install the Debian package guestfish.",
    });
  });

  test("ends at once when it is interrupted", async () => {
    const { open } = removed(machine());
    const ending = new AbortController();
    const guest = await open({}, ending.signal);
    ending.abort();
    await expect(guest.fileSystems()).rejects.toMatchObject({ code: "interrupted" });
    await guest.close();
    expect(privateFolders()).toEqual([]);
  });

  test("calls a file system that is damaged so, while it is read", async () => {
    const { root, open } = removed(machine());
    mkdirSync(join(root, "gone"));
    const guest = await open();
    onTestFinished(() => guest.close());
    await guest.mount("vda", "/");
    const entry = await guest.look("/gone");
    if (entry === null) throw new Error("it is there");
    rmSync(join(root, "gone"), { recursive: true });
    const to = join(root, "out");
    const taken = guest.unpack([{ path: "/gone", name: "gone", entry }], to, () => {});
    await expect(taken).rejects.toMatchObject({ code: "integrity" });
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("a kernel", () => {
  const places = () => {
    const folder = mkdtempSync(join(tmpdir(), "estrato-kernel-"));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    for (const name of ["boot", "modules/6.1"]) mkdirSync(join(folder, name), { recursive: true });
    return { boot: join(folder, "boot"), modules: join(folder, "modules") };
  };

  test("in /boot or beside its modules will do", async () => {
    const one = places();
    writeFileSync(join(one.boot, "vmlinuz-6.1"), "");
    await expect(requireKernel({}, one)).resolves.toBeUndefined();
    const other = places();
    writeFileSync(join(other.modules, "6.1/vmlinuz"), "");
    await expect(requireKernel({}, other)).resolves.toBeUndefined();
  });

  test("that is not there is named, and where one comes from", async () => {
    await expect(requireKernel({}, places())).rejects.toMatchObject({ code: "host", hint: /linux-image-amd64/ });
    await expect(requireKernel({ LIBGUESTFS_PATH: "/appliance" }, places())).resolves.toBeUndefined();
  });

  test("that nobody may read is named, and how that is changed", async () => {
    const hidden = places();
    writeFileSync(join(hidden.boot, "vmlinuz-6.1"), "");
    // As who is not root finds it
    const look = async () => "no" as const;
    await expect(requireKernel({}, hidden, look)).rejects.toMatchObject({ code: "host", hint: /chmod 0644/ });
  });
});

test("who reads an archive may stop, whatever is under way then", async () => {
  const failures: unknown[] = [];
  const note = (error: unknown) => failures.push(error);
  process.on("uncaughtException", note);
  onTestFinished(() => void process.off("uncaughtException", note));
  let ended: (() => void) | undefined;
  const stopped = new Promise<void>((resolve) => {
    ended = resolve;
  });
  async function* content() {
    yield Buffer.alloc(512);
    await stopped;
    yield Buffer.alloc(512);
  }
  async function* entries(): AsyncGenerator<Outgoing> {
    const file = { kind: "file", link: null, mode: 0o644, uid: 0, gid: 0, modifiedAt: new Date(0) } as const;
    yield { ...file, place: ["a"], sizeBytes: 1024, content: content() };
  }
  const out = new Writable({
    write(_chunk, _encoding, done) {
      done(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
      setImmediate(() => ended?.());
    },
  });
  out.on("error", () => {}); // as the program has it of standard output
  const target = targetOf("-", { stdout: out } as unknown as Streams, false);
  if (target.kind !== "archive") throw new Error("it is an archive");
  await target.write(repack(entries(), () => {}));
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  expect(failures).toEqual([]);
});

test("links stay inside only where no way leads out, over other links either", () => {
  const inside = (place: string, link: string) => staysInside(place.split("/"), link);
  for (const link of ["c", "./c", "../c", "c/d", "../b/c"]) expect(inside("a/b", link)).toBe(true);
  for (const link of ["", "/c", "../..", "../../c", "c/..", "c/../../..", ".././..", "c\0"]) {
    expect(inside("a/b", link)).toBe(false);
  }
  expect(inside("a", "..")).toBe(false);
  expect(inside("a", ".")).toBe(true);
});

test("names that lead out of a folder have no place in it", () => {
  expect(placeOf("./a//b/")).toEqual(["a", "b"]);
  expect(placeOf("./")).toEqual([]);
  for (const name of ["/a", "../a", "a/../b", "a\0b"]) expect(placeOf(name)).toBeNull();
});

describe("names in headers of pax(1)", () => {
  /** What of such an archive is in the folder `out`, which lies three folders deep. */
  async function unpacked(fill: (tar: Pack) => void) {
    const above = mkdtempSync(join(tmpdir(), "estrato-pax-"));
    onTestFinished(() => rmSync(above, { recursive: true }));
    const out = join(above, "a/b/out");
    mkdirSync(join(above, "a/b"), { recursive: true });
    const tar = pack();
    fill(tar);
    tar.finalize();
    await unpack(fromArchive(tar as AsyncIterable<Uint8Array>, ""), out, () => {});
    return { above, out };
  }
  const named = (path: string) => ({ name: "plain", pax: { path } });
  const link = (name: string, linkpath: string) =>
    ({ name, type: "symlink", linkname: "x", pax: { linkpath } }) as const;

  test("are UTF-8, and come out as what they are", async () => {
    const { out } = await unpacked((tar) => {
      tar.entry(named("caf\u00e9/\u65e5\u672c"), "is there\n");
      tar.entry(link("caf\u00e9-link", "caf\u00e9/\u65e5\u672c"));
    });
    expect(readdirSync(out).sort()).toEqual(["caf\u00e9", "caf\u00e9-link"]);
    expect(readlinkSync(join(out, "caf\u00e9-link"))).toBe("caf\u00e9/\u65e5\u672c");
    expect(readFileSync(join(out, "caf\u00e9-link"), "utf8")).toBe("is there\n");
  });

  test("lead nowhere but into the folder, by letters whose low bytes are dots and slashes either", async () => {
    const up = "\u012e\u012e\u012f".repeat(2);
    const { above, out } = await unpacked((tar) => {
      tar.entry(named(`${up}escaped`), "");
      tar.entry(link("link", `${up}etc\u012fshadow`));
      tar.entry(named("../escaped"), "");
    });
    expect(readdirSync(out).sort()).toEqual(["link", `${up}escaped`]);
    expect(readlinkSync(join(out, "link"))).toBe(`${up}etc\u012fshadow`);
    expect([readdirSync(above), readdirSync(join(above, "a")), readdirSync(join(above, "a/b"))]).toEqual([
      ["a"],
      ["b"],
      ["out"],
    ]);
  });
});

test("an argument of guestfish is one word, whatever it holds", () => {
  expect(quoted('/a b/"\\\n$(x)|é')).toBe('"/a b/\\x22\\x5c\\x0a\\x24\\x28x\\x29\\x7c\\xc3\\xa9"');
});

test("a name that is not UTF-8 shows what it holds", () => {
  expect(nameText(Buffer.from([0x61, 0xc3, 0xa9, 0xff, 0xf0, 0x9f, 0x98, 0x80, 0xc3]))).toBe("aé\\xff😀\\xc3");
});

test("disks are called as their guest does", () => {
  const disks = Array.from({ length: 28 }, (_, index) => ({ device: `vd${"x".repeat(index)}a` }));
  for (const [ours, theirs] of [
    ["vda", "/dev/sda"],
    ["vda1", "/dev/sda1"],
    [`vd${"x".repeat(27)}a`, "/dev/sdab"],
  ] as const) {
    expect(deviceOf(theirs, disks)).toBe(ours);
    expect(letterDevice(ours, disks)).toBe(theirs);
  }
  expect(deviceOf("/dev/vg/home", disks)).toBe("/dev/vg/home");
  expect(letterDevice("/dev/vdb2", [{ device: "vda" }, { device: "vdb" }])).toBe("/dev/sdb2");
});
