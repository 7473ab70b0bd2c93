/** What a qcow2 file is and holds, by its own header and tables and by QEMU. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { qcow2Extents } from "../../../src/host/qcow2-extents.ts";
import { qcow2Info } from "../../../src/host/qcow2-info.ts";
import { createExtentReader, parseInfo } from "../../../src/host/qemu-img-output.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-extents-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function made(size: number, options: string, ...more: readonly string[]): string {
  files += 1;
  const path = join(folder, `${files}.qcow2`);
  execFileSync("qemu-img", ["create", "-q", "-f", "qcow2", "-o", options, ...more, path, String(size)]);
  return path;
}

/** What QEMU refuses (a cluster that is there cannot be written compressed) is left out by it. */
function io(path: string, ...commands: readonly string[]): void {
  const words = commands.flatMap((command) => ["-c", command]);
  expect(spawnSync("qemu-io", ["-f", "qcow2", "-d", "unmap", ...words, path]).error).toBeUndefined();
}

function saidByQemu(path: string, only?: "data") {
  const alone = { driver: "qcow2", file: { driver: "file", filename: path }, backing: null };
  const said = execFileSync("qemu-img", ["map", "--output=json", `json:${JSON.stringify(alone)}`], {
    encoding: "utf8",
  });
  const reader = createExtentReader("qcow2", only);
  for (const line of said.split("\n")) reader.line(line);
  return reader.extents;
}

function infoByQemu(path: string): string {
  return execFileSync("qemu-img", ["info", "--output=json", "-f", "qcow2", path], { encoding: "utf8" });
}

const KINDS = [
  "cluster_size=64k",
  "cluster_size=512",
  "cluster_size=2M",
  "compat=0.10",
  "extended_l2=on",
  "lazy_refcounts=on",
];

describe("what a qcow2 file holds", () => {
  test("is told of many at one time as of each by itself", async () => {
    const size = 8 * 2 ** 20;
    const paths = Array.from({ length: 12 }, (_, index) => made(size, KINDS[index % KINDS.length] ?? ""));
    for (const [index, path] of paths.entries()) io(path, `write -q ${index * 2 ** 19} 64k`);
    const alone: unknown[] = [];
    for (const path of paths) alone.push([await qcow2Extents(path), await qcow2Info(path)]);
    const together = await Promise.all(paths.map((path) => Promise.all([qcow2Extents(path), qcow2Info(path)])));
    expect(together).toEqual(alone);
    expect(new Set(alone.map((one) => JSON.stringify(one))).size).toBe(paths.length);
  });

  test("is what QEMU says, however it was made and written", async () => {
    const deed = fc.record({
      verb: fc.constantFrom("write", "write", "write -c", "write -z", "write -z -u", "discard"),
      at: fc.nat(63),
      length: fc.integer({ min: 1, max: 12 }),
      fine: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...KINDS),
        fc.constantFrom(8 * 2 ** 20, 8 * 2 ** 20 - 512, 5 * 2 ** 20 + 1536),
        fc.boolean(),
        fc.array(deed, { maxLength: 6 }),
        async (options, size, stands, deeds) => {
          const below = stands ? ["-b", made(size, "cluster_size=64k"), "-F", "qcow2"] : [];
          const path = made(size, options, ...below);
          const unit = 64 * 1024;
          const commands = deeds.flatMap(({ verb, at, length, fine }) => {
            const whole = verb === "write -c"; // a compressed cluster is written as one
            const cluster = options === "cluster_size=2M" ? 2 ** 21 : unit;
            const start = whole ? Math.floor((at * unit) / cluster) * cluster : at * unit + (fine ? 4096 : 0);
            const bytes = whole ? (options === "cluster_size=512" ? 512 : cluster) : length * (fine ? 512 : unit);
            return start + bytes > size ? [] : [`${verb} ${start} ${bytes}`];
          });
          const known = options === "compat=0.10" ? commands.filter((one) => !one.includes("-z")) : commands;
          if (known.length > 0) io(path, ...known);
          expect(await qcow2Extents(path), known.join("; ")).toEqual(saidByQemu(path));
          expect(await qcow2Extents(path, "data"), known.join("; ")).toEqual(saidByQemu(path, "data"));
          // What QEMU has not closed well it calls dirty, and is asked.
          expect(await qcow2Info(path), known.join("; ")).toEqual(parseInfo(infoByQemu(path), path));
        },
      ),
      { numRuns: 25 },
    );
  });

  test("is left to QEMU where a table is cut off, the data are elsewhere, or it is encrypted", async () => {
    const cut = made(2 ** 20, "cluster_size=64k");
    io(cut, "write 0 64k");
    const whole = readFileSync(cut).length;
    truncateSync(cut, Math.min(whole, 4 * 65536)); // the header and the tables of references are there, the rest is not
    expect(await qcow2Extents(cut)).toBeNull();
    truncateSync(cut, 3 * 65536);
    expect(await qcow2Info(cut)).toBeNull(); // nor is the table that leads to the others
    const elsewhere = made(2 ** 20, `data_file=${join(folder, "data.raw")}`);
    expect(await qcow2Extents(elsewhere)).toBeNull();
    const locked = readFileSync(made(2 ** 20, "cluster_size=64k"));
    locked.writeUInt32BE(2, 32);
    writeFileSync(join(folder, "locked.qcow2"), locked);
    for (const name of ["locked.qcow2", "none.qcow2", "data.raw"])
      for (const read of [qcow2Extents, qcow2Info]) expect(await read(join(folder, name)), name).toBeNull();
  });
});
