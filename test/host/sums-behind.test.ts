/** The sums that are taken behind qemu-img, against those of the whole copy. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { finalSums } from "../../src/core/backups/early-sums.ts";
import { BLOCK_BYTES } from "../../src/core/backups/sums.ts";
import type { World } from "../../src/core/ports.ts";
import { createHost } from "../../src/host/index.ts";
import { bedFolder } from "./real-rig.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const MIXED = randomBytes(MiB);

let kept = 0;
afterAll(() => {
  expect(kept).toBeGreaterThan(0); // how many, the machine's other work decides
});

/** Where a raw disk of 1 GiB holds data. */
const DISKS: Record<string, () => Generator<[at: number, length: number]>> = {
  "one piece": function* () {
    for (let at = 0; at < 160 * MiB; at += MiB) yield [at, MiB];
  },
  "a little of each cluster, and of some all": function* () {
    for (let at = 0; at < 300 * MiB; at += 64 * KiB)
      yield at % (3 * MiB) === 0 ? [at, 64 * KiB] : [at + 4 * KiB, 8 * KiB];
  },
  "holes within the clusters, and between them": function* () {
    for (let at = 0; at < 220 * MiB; at += 44 * KiB) yield [at, 12 * KiB];
    for (let at = 600 * MiB; at < 660 * MiB; at += MiB) yield [at, MiB];
  },
  "far apart": function* () {
    for (let at = 0; at < 1024 * MiB; at += 2 * MiB) yield [at, 512 * KiB];
  },
};

it.each(Object.entries(DISKS))("of a disk with data as %s", async (_name, data) => {
  const folder = mkdtempSync(join(bedFolder(), "sums-"));
  const host = createHost({ uri: "qemu:///system", env: process.env });
  const [from, to] = [join(folder, "disk.raw"), join(folder, "copy.qcow2")];
  execFileSync("truncate", ["--size", String(1024 * MiB), from]);
  const file = openSync(from, "r+");
  for (const [at, length] of data()) writeSync(file, MIXED, (at / KiB) % 512, Math.min(length, 512 * KiB), at);
  const early = new Map<string, readonly string[]>();
  const taken = (path: string, sums: readonly string[]) => void early.set(path, sums);
  const copy = { do: "convert", from, fromFormat: "raw", to, toFormat: "qcow2", compress: false, mode: 0o400 } as const;
  await host.perform(copy, { sums: { blockBytes: BLOCK_BYTES, taken } });
  const known = await finalSums({ host } as unknown as World, to, early.get(to) ?? []);
  const { sums } = await host.blockSums(to, BLOCK_BYTES);
  kept += known.filter((sum) => sum !== null).length;
  expect(known.map((sum, index) => sum ?? sums[index])).toEqual(sums.slice(0, known.length));
});
