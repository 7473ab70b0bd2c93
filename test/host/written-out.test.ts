/** The sums that are taken while qemu-img writes, against those of the whole copy. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, openSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { BLOCK_BYTES } from "../../src/core/backups/sums.ts";
import { createHost } from "../../src/host/index.ts";
import { bedFolder } from "./real-rig.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const MIXED = randomBytes(MiB);

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

const pressed = Object.keys(DISKS)[1] ?? "";
const COPIES = [
  ...Object.keys(DISKS).map((name) => ({ name, kind: "plain" })),
  { name: pressed, kind: "compressed" },
  { name: pressed, kind: "encrypted" },
];

it.each(COPIES)("of a disk with data as $name, $kind", async ({ name, kind }) => {
  const folder = mkdtempSync(join(bedFolder(), "sums-"));
  const host = createHost({ uri: "qemu:///system", env: process.env });
  const [from, to, key] = ["disk.raw", "copy.qcow2", "key"].map((one) => join(folder, one)) as [string, string, string];
  writeFileSync(key, "open sesame\n", { mode: 0o600 });
  execFileSync("truncate", ["--size", String(1024 * MiB), from]);
  const file = openSync(from, "r+");
  for (const [at, length] of DISKS[name]?.() ?? [])
    writeSync(file, MIXED, (at / KiB) % 512, Math.min(length, 512 * KiB), at);
  const told = new Map<string, readonly string[]>();
  const taken = (path: string, sums: readonly string[]) => void told.set(path, sums);
  const copy = { do: "convert", from, fromFormat: "raw", to, toFormat: "qcow2", compress: false, mode: 0o400 } as const;
  const how = kind === "encrypted" ? { encrypt: { passphraseFile: key } } : { compress: kind === "compressed" };
  await host.perform({ ...copy, ...how }, { sums: { blockBytes: BLOCK_BYTES, taken } });
  expect(told.get(to)).toEqual((await host.blockSums(to, BLOCK_BYTES)).sums);
});
