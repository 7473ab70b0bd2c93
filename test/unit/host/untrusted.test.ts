import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inspectUntrusted } from "../../../src/host/untrusted.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-test-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** The header of an empty qcow2 disk of 1 MiB, version 3, as `qemu-img create` makes it. */
function header(change: (bytes: Buffer) => void = () => undefined): Buffer {
  const bytes = Buffer.alloc(4 * 65536);
  bytes.write("QFI\xfb", 0, "latin1");
  bytes.writeUInt32BE(3, 4);
  bytes.writeUInt32BE(16, 20); // clusters of 64 KiB
  bytes.writeBigUInt64BE(2n ** 20n, 24);
  bytes.writeUInt32BE(1, 36); // one entry of the first table
  bytes.writeBigUInt64BE(3n * 65536n, 40);
  bytes.writeBigUInt64BE(65536n, 48);
  bytes.writeUInt32BE(1, 56);
  bytes.writeUInt32BE(4, 96);
  bytes.writeUInt32BE(112, 100);
  change(bytes);
  return bytes;
}

function file(content: Buffer | string): string {
  const path = join(folder, "image");
  writeFileSync(path, content);
  return path;
}

const refused = (why: string) => ({ code: "host", message: expect.stringContaining(why) });

describe("a qcow2 image from outside", () => {
  test("that stands alone is taken, said or seen", async () => {
    const path = file(header());
    for (const format of ["qcow2", null] as const) {
      expect(await inspectUntrusted(path, format)).toMatchObject({
        format: "qcow2",
        virtualSizeBytes: 2 ** 20,
        backing: null,
        encrypted: false,
        internalSnapshots: 0,
      });
    }
  });

  const faults: readonly (readonly [string, (bytes: Buffer) => void])[] = [
    ["it names a backing file", (bytes) => bytes.writeBigUInt64BE(512n, 8)],
    ["it names a backing file", (bytes) => bytes.writeUInt32BE(11, 16)],
    ["it names a backing file's format", (bytes) => bytes.writeUInt32BE(0xe2792aca, 112)],
    ["its data lies in another file", (bytes) => bytes.writeBigUInt64BE(4n, 72)],
    ["it names a data file", (bytes) => bytes.writeUInt32BE(0x44415441, 112)],
    ["features that are not known", (bytes) => bytes.writeBigUInt64BE(32n, 72)],
    ["features that are not known", (bytes) => bytes.writeBigUInt64BE(1n << 63n, 72)],
    ["marked as corrupt", (bytes) => bytes.writeBigUInt64BE(2n, 72)],
    ["it is encrypted", (bytes) => bytes.writeUInt32BE(2, 32)],
    ["encryption method 7", (bytes) => bytes.writeUInt32BE(7, 32)],
    ["version 4 of qcow2", (bytes) => bytes.writeUInt32BE(4, 4)],
    ["a cluster of 2^30 bytes", (bytes) => bytes.writeUInt32BE(30, 20)],
    ["a reference count of 2^99 bits", (bytes) => bytes.writeUInt32BE(99, 96)],
    ["a header of 4294967295 bytes", (bytes) => bytes.writeUInt32BE(0xffffffff, 100)],
    ["a header extension reaches beyond", (bytes) => bytes.writeUInt32BE(0xfffff, 116) && bytes.writeUInt32BE(1, 112)],
    ["has no size", (bytes) => bytes.writeBigUInt64BE(0n, 24)],
    ["larger than 64 TiB", (bytes) => bytes.writeBigUInt64BE(2n ** 62n, 24)],
    ["tables are too small", (bytes) => bytes.writeBigUInt64BE(2n ** 40n, 24)],
    ["do not lie where tables can", (bytes) => bytes.writeBigUInt64BE(77n, 40)],
    ["it is cut off", (bytes) => bytes.writeBigUInt64BE(2n ** 40n, 40)],
    ["too many internal snapshots", (bytes) => bytes.writeUInt32BE(0xffffffff, 60)],
  ];
  test.each(faults)("is refused where %s", async (why, change) => {
    const path = file(header(change));
    for (const format of ["qcow2", null] as const) {
      await expect(inspectUntrusted(path, format)).rejects.toMatchObject(refused(why));
    }
  });

  test("is refused as a raw disk, whose guest would one day be read through it", async () => {
    await expect(inspectUntrusted(file(header()), "raw")).rejects.toMatchObject({
      ...refused("format qcow2"),
      hint: "Say --disk-format qcow2.",
    });
  });

  test("is what qemu-img makes, and nothing that qemu-img makes on another file", async () => {
    const path = join(folder, "a.qcow2");
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-o", "extended_l2=on", path, "1G"]);
    expect((await inspectUntrusted(path, "qcow2")).virtualSizeBytes).toBe(2 ** 30);
    const overlay = join(folder, "b.qcow2");
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-b", path, "-F", "qcow2", overlay]);
    await expect(inspectUntrusted(overlay, "qcow2")).rejects.toMatchObject(refused("it names a backing file"));
    const outside = join(folder, "c.qcow2");
    const options = `data_file=${folder}/c.raw,data_file_raw=on`;
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-o", options, outside, "1M"]);
    await expect(inspectUntrusted(outside, "qcow2")).rejects.toMatchObject(refused("its data lies in another file"));
  });
});

describe("a raw disk from outside", () => {
  test("is taken where nothing speaks against it, filled up to a whole sector", async () => {
    expect(await inspectUntrusted(file(Buffer.alloc(1000, 7)), "raw")).toMatchObject({
      format: "raw",
      virtualSizeBytes: 1024,
    });
  });

  test("that begins as another format is refused, with what to do", async () => {
    for (const begin of [
      "KDMV",
      "QED\0",
      "conectix",
      "vhdxfile",
      "\x1f\x8b",
      "\xfd7zXZ\0",
      "<!DOCTYPE html>",
      "LUKS\xba\xbe",
    ]) {
      const path = file(Buffer.concat([Buffer.from(begin, "latin1"), Buffer.alloc(1024)]));
      for (const format of ["raw", null] as const) {
        await expect(inspectUntrusted(path, format)).rejects.toMatchObject({ code: "host", hint: expect.any(String) });
      }
    }
  });

  test("is not a qcow2 image where that was said", async () => {
    await expect(inspectUntrusted(file(Buffer.alloc(1024)), "qcow2")).rejects.toMatchObject({
      ...refused("not a qcow2 image"),
      hint: "Where it is a raw disk, say --disk-format raw.",
    });
  });

  test("is not empty", async () => {
    await expect(inspectUntrusted(file(""), "raw")).rejects.toMatchObject(refused("empty"));
  });
});

describe("what is no file", () => {
  test("is refused without being read: a folder, a pipe, a device", async () => {
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    for (const path of [folder, pipe, "/dev/zero"]) {
      await expect(inspectUntrusted(path, "raw")).rejects.toMatchObject(refused("not a regular file"));
    }
  });

  test("is not found, a dangling link included", async () => {
    const link = join(folder, "link");
    symlinkSync(join(folder, "nothing"), link);
    for (const path of [link, join(folder, "nothing")]) {
      await expect(inspectUntrusted(path, null)).rejects.toMatchObject({ code: "not_found" });
    }
  });
});

describe("the tables of an image from outside", () => {
  const TIB = 2n ** 40n;
  const CLUSTER = 65536n;
  const inspect = (path: string) => inspectUntrusted(path, "qcow2", null, false, true);

  /** 1 TiB, whose 2048 second tables lie where that function says. One is there, at the fifth cluster. */
  function large(second: (table: number) => bigint): string {
    const bytes = Buffer.alloc(5 * 65536);
    header((of) => {
      of.writeBigUInt64BE(TIB, 24);
      of.writeUInt32BE(2048, 36);
      for (let table = 0; table < 2048; table += 1)
        of.writeBigUInt64BE(second(table) | (1n << 63n), 3 * 65536 + table * 8);
    }).copy(bytes);
    for (let at = 0; at < 8192; at += 1) bytes.writeBigUInt64BE((5n * CLUSTER) | (1n << 63n), 4 * 65536 + at * 8);
    const path = file(bytes);
    truncateSync(path, 2 ** 30);
    return path;
  }

  test("may name no place twice: a terabyte would be read out of a few kilobytes", async () => {
    await expect(inspect(large(() => 4n * CLUSTER))).rejects.toMatchObject(refused("one place more than once"));
    await expect(inspect(large((table) => (table === 0 ? 4n * CLUSTER : 0n)))).rejects.toMatchObject(
      refused("one place more than once"),
    );
    await expect(inspect(large(() => 2n ** 50n))).rejects.toMatchObject(refused("beyond its end"));
  });

  test("may be long, and are not longer than QEMU allows", async () => {
    const path = file(header((of) => of.writeUInt32BE(2 ** 23, 36)));
    truncateSync(path, 2 ** 30);
    await expect(inspect(path)).rejects.toMatchObject(refused("larger than tables may be"));
  });

  test.each([
    ["as it is made", "qemu-io -f qcow2 -c 'write 0 3M' -c 'write 900M 64k' -c 'write -z 500M 10M' $0"],
    [
      "with internal snapshots",
      "qemu-io -f qcow2 -c 'write 0 3M' $0; qemu-img snapshot -c a $0; qemu-io -f qcow2 -c 'write 1M 1M' $0",
    ],
    ["compressed", "qemu-io -f raw -c 'write 0 3M' $0.raw; qemu-img convert -c -O qcow2 $0.raw $0"],
    ["with places for all of its data", "qemu-img create -q -f qcow2 -o preallocation=metadata $0 1G"],
    [
      "with parts of clusters",
      "qemu-img create -q -f qcow2 -o extended_l2=on $0 1G; qemu-io -f qcow2 -c 'write 5k 1M' $0",
    ],
    [
      "with clusters of 512 bytes",
      "qemu-img create -q -f qcow2 -o cluster_size=512 $0 64M; qemu-io -f qcow2 -c 'write 5k 1M' $0",
    ],
  ])("of an image of QEMU's are taken, %s", async (_how, line) => {
    const path = join(folder, "image.qcow2");
    execFileSync("sh", ["-c", `qemu-img create -q -f qcow2 $0 1G; truncate -s 1G $0.raw; ${line}`, path]);
    expect(await inspect(path)).toMatchObject({ format: "qcow2" });
  });
});
