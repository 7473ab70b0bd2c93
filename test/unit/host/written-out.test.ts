/** What a copy owes while it is written: to the disk, and to who asks for its sums. */
import { execFileSync, spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, readFileSync, renameSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { dataBlocks } from "../../../src/host/qcow2-blocks.ts";
import { flushBehind, flushedMeanwhile, writtenOut } from "../../../src/host/written-out.ts";

const MiB = 1024 ** 2;
const folder = mkdtempSync(join(tmpdir(), "estrato-written-"));
afterAll(() => rmSync(folder, { recursive: true }));

const blocksOf = (bytes: Buffer, blockBytes: number) =>
  Array.from({ length: Math.ceil(bytes.length / blockBytes) }, (_, index) =>
    createHash("sha256")
      .update(bytes.subarray(index * blockBytes, (index + 1) * blockBytes))
      .digest("hex"),
  );

describe("a file that is written", () => {
  const wanted = { blockBytes: MiB, inOrder: true };

  test("is summed whole, also where it is made anew meanwhile", async () => {
    const [path, other] = [join(folder, "file"), join(folder, "other")];
    writeFileSync(path, "");
    const content = randomBytes(3 * MiB + 5);
    expect(await writtenOut(path, async () => writeFileSync(path, content), wanted)).toEqual(blocksOf(content, MiB));
    const next = randomBytes(2 * MiB);
    const anew = async () => {
      writeFileSync(other, next);
      renameSync(other, path);
    };
    expect(await writtenOut(path, anew, wanted)).toEqual(blocksOf(next, MiB));
  });

  test("is summed no further once its command is interrupted", async () => {
    const path = join(folder, "interrupted");
    writeFileSync(path, "");
    const signal = AbortSignal.abort();
    const written = writtenOut(path, async () => writeFileSync(path, randomBytes(2 * MiB)), { ...wanted, signal });
    await expect(written).rejects.toMatchObject({ code: "interrupted" });
  });

  test("that comes to an end before it is written leaves the error of who wrote it", async () => {
    const path = join(folder, "cut");
    writeFileSync(path, "");
    await expect(writtenOut(path, () => Promise.reject(new Error("cut")), wanted)).rejects.toThrow("cut");
  });

  test("goes to the disk as it comes, and what the disk says is not lost", async () => {
    const times = [1n, 1n, 2n, 2n, 3n];
    const ending = new AbortController();
    const flushed: bigint[] = [];
    let mtimeNs = 0n;
    const file = {
      stat: async () => {
        mtimeNs = times.shift() ?? mtimeNs;
        if (times.length === 0) ending.abort();
        return { mtimeNs };
      },
      datasync: async () => void flushed.push(mtimeNs),
    };
    await flushBehind(file, ending.signal);
    expect(flushed).toEqual([2n, 3n]); // nothing was written at the other times
    const broken = {
      stat: async () => ({ mtimeNs: process.hrtime.bigint() }),
      datasync: () => Promise.reject(new Error("EIO")),
    };
    await expect(flushBehind(broken, new AbortController().signal)).rejects.toThrow("EIO");
  });

  test.each([
    ["a file that is made", (path: string, write: () => Promise<void>) => writtenOut(path, write, wanted)],
    ["one that is written into", flushedMeanwhile],
  ])("does not pass for written where a part of it never came to the disk: %s", async (_, carriedOut) => {
    const path = join(folder, "lost");
    writeFileSync(path, "");
    const handle = await open(path);
    const prototype = Object.getPrototypeOf(handle);
    await handle.close();
    const { datasync } = prototype;
    let asked = false;
    prototype.datasync = async () => {
      asked = true;
      throw new Error("EIO");
    };
    const write = async () => {
      const fd = openSync(path, "r+");
      for (let at = 0; !asked; at += 1) {
        writeSync(fd, randomBytes(16), 0, 16, at); // its time goes on in steps of a clock tick
        await turn();
      }
      closeSync(fd);
    };
    try {
      await expect(carriedOut(path, write)).rejects.toThrow("EIO");
    } finally {
      prototype.datasync = datasync;
    }
  });

  test("leaves the error of who wrote into it", async () => {
    const path = join(folder, "into");
    writeFileSync(path, "");
    await expect(flushedMeanwhile(path, () => Promise.reject(new Error("cut")))).rejects.toThrow("cut");
  });
});

describe("a block of a copy", () => {
  const raw = join(folder, "disk.raw");
  const copied = (name: string, ...how: readonly string[]) => {
    const path = join(folder, name);
    for (let attempts = 1; ; attempts += 1) {
      const { status, stderr } = spawnSync("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", ...how, raw, path]);
      if (status === 0) return path;
      // A passphrase is measured, which fails at random (LIBVIRT.md, trap 22)
      if (attempts === 50 || !`${stderr}`.includes("Unable to get accurate CPU usage")) throw new Error(`${stderr}`);
    }
  };
  const blocks = async (path: string) => {
    const file = await open(path);
    const found = await dataBlocks(file, MiB);
    await file.close();
    return found;
  };
  const secret = [
    "--object",
    "secret,id=s,data=pass",
    "-o",
    "encrypt.format=luks,encrypt.iter-time=10,encrypt.key-secret=s",
  ];

  test("holds nothing but data where no table is in it, plain, compressed or encrypted", async () => {
    writeFileSync(raw, Buffer.concat([randomBytes(6 * MiB), Buffer.alloc(4 * MiB), randomBytes(4 * MiB)]));
    const plain = await blocks(copied("plain.qcow2"));
    expect(plain[0]).toBe(false); // the header, and the first tables
    expect(plain.filter((one) => one)).toHaveLength(9);
    const pressed = copied("pressed.qcow2", "-c");
    expect((await blocks(pressed)).filter((one) => one).length).toBeGreaterThan(6);
    const locked = await blocks(copied("locked.qcow2", ...secret));
    expect(locked.filter((one) => one).length).toBeGreaterThan(6);
    expect(locked.slice(0, 2)).toEqual([false, false]); // and what opens it
  });

  test("is not known where data does not lie in the guest's order, or a table cannot be read", async () => {
    const path = join(folder, "mixed.qcow2");
    execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", path, "64M"]);
    execFileSync("qemu-io", ["-f", "qcow2", "-c", "write -q 32M 4M", "-c", "write -q 0 4M", path]);
    expect(await blocks(path)).toEqual([]);
    const cut = join(folder, "cut.qcow2");
    writeFileSync(cut, readFileSync(path).subarray(0, 200_000));
    expect(await blocks(cut)).toEqual([]);
    expect(await blocks(raw)).toEqual([]);
  });
});
