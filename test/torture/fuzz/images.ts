/** Image files from outside: headers and tables of qcow2, and files that begin as other formats do. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { imageChain } from "../../../src/host/image-chain.ts";
import { EXTENSION, QCOW2_MAGIC, readBacking, readQcow2Header } from "../../../src/host/qcow2-header.ts";
import { inspectUntrusted } from "../../../src/host/untrusted.ts";
import { kind } from "./kind.ts";
import { mutatedBytes, nastyText } from "./mutate.ts";
import { refusing, Wrong } from "./oracle.ts";

const CLUSTER = 512; // the smallest there is: tables and data are few bytes

/** Header, L1, L2, refcount table and block, one cluster of data; an extension of each kind where `extensions` is. */
export function qcow2(
  options: { readonly version?: 2 | 3; readonly backing?: string; readonly extensions?: boolean } = {},
): Buffer {
  const { version = 3, backing = null, extensions = false } = options;
  const bytes = Buffer.alloc(7 * CLUSTER);
  const length = version === 3 ? 104 : 72;
  bytes.writeUInt32BE(QCOW2_MAGIC, 0);
  bytes.writeUInt32BE(version, 4);
  bytes.writeUInt32BE(9, 20);
  bytes.writeBigUInt64BE(65536n, 24);
  bytes.writeUInt32BE(2, 36);
  bytes.writeBigUInt64BE(BigInt(2 * CLUSTER), 40);
  bytes.writeBigUInt64BE(BigInt(CLUSTER), 48);
  bytes.writeUInt32BE(1, 56);
  if (version === 3) {
    bytes.writeUInt32BE(4, 96);
    bytes.writeUInt32BE(104, 100);
  }
  let at = length;
  const add = (type: number, text: string) => {
    bytes.writeUInt32BE(type, at);
    bytes.writeUInt32BE(text.length, at + 4);
    bytes.write(text, at + 8);
    at += 8 + Math.ceil(text.length / 8) * 8;
  };
  if (backing !== null) add(EXTENSION.backingFormat, "qcow2");
  if (extensions)
    for (const type of [EXTENSION.featureNames, EXTENSION.bitmaps, 0x12345678]) add(type, "\0\0dirty bit");
  if (backing !== null) {
    bytes.writeBigUInt64BE(BigInt(at + 8), 8);
    bytes.writeUInt32BE(backing.length, 16);
    bytes.write(backing, at + 8);
  }
  bytes.writeBigUInt64BE(BigInt(3 * CLUSTER), CLUSTER);
  bytes.writeBigUInt64BE((1n << 63n) | BigInt(4 * CLUSTER), 2 * CLUSTER);
  bytes.writeBigUInt64BE((1n << 63n) | BigInt(5 * CLUSTER), 4 * CLUSTER);
  bytes.fill(1, 3 * CLUSTER, 3 * CLUSTER + 16);
  return bytes;
}

const FIELDS = [
  ...[0, 4, 8, 16, 20, 24, 32, 36, 40, 48, 56, 60, 64, 72, 80, 88, 96, 100, 104, 108, 112, 116, 120, 124, 128, 136],
  ...[CLUSTER, 2 * CLUSTER, 2 * CLUSTER + 8, 3 * CLUSTER, 4 * CLUSTER, 4 * CLUSTER + 8, 4 * CLUSTER + 16],
];
const NAME = 104 + 16 + 8;

/** With what other formats begin. */
const MAGICS = [
  "KDMV",
  "COWD",
  "# Disk DescriptorFile\n",
  "vhdxfile",
  "conectix",
  "QED\0",
  "LUKS\xba\xbe\0\x02",
  "Bochs Virtual HD Image",
];
const others = MAGICS.map((magic) => Buffer.concat([Buffer.from(magic, "latin1"), Buffer.alloc(1024)]));
const vdi = Buffer.concat([Buffer.alloc(0x40), Buffer.from("7f10dabe", "hex"), Buffer.alloc(512)]);

export const SEEDS = [qcow2(), qcow2({ version: 2 }), qcow2({ backing: "base.qcow2" }), qcow2({ extensions: true })];

export const changedImage = fc.oneof(
  { weight: 8, arbitrary: mutatedBytes(SEEDS, FIELDS) },
  { weight: 2, arbitrary: mutatedBytes([qcow2({ backing: "x".repeat(60) })], [8, 16, NAME, NAME + 4]) },
  { weight: 1, arbitrary: nastyText.map((name) => qcow2({ backing: name.slice(0, 200) })) },
  { weight: 1, arbitrary: mutatedBytes([...others, vdi, Buffer.alloc(700)], [0, 4, 8, 0x40]) },
);

function ownFolder(): string {
  const made = mkdtempSync(join(process.env.ESTRATO_BED_DIR ? "/dev/shm" : tmpdir(), "estrato-fuzz-"));
  process.once("exit", () => rmSync(made, { recursive: true, force: true }));
  return made;
}

let folder: string | undefined;
/** In memory: it is written anew for each input. */
export function scratchFile(name: string): string {
  folder ??= ownFolder();
  return join(folder, name);
}

export const images = kind("images", changedImage, async (bytes) => {
  const header = readQcow2Header(bytes);
  if (typeof header !== "string") readBacking(bytes, header);
  const path = scratchFile("image");
  writeFileSync(path, bytes);
  for (const format of [null, "qcow2", "raw"] as const) {
    const facts = await refusing(() => inspectUntrusted(path, format, null, false, true));
    if (facts === null) continue;
    if (facts.backing !== null) throw new Wrong("an image from outside names a file");
    if (!(Number.isSafeInteger(facts.virtualSizeBytes) && facts.virtualSizeBytes > 0)) {
      throw new Wrong(`a disk of ${facts.virtualSizeBytes} bytes`);
    }
    if (format !== "qcow2" && facts.format === "raw" && bytes.toString("latin1", 0, 4) === "QFI\xfb") {
      throw new Wrong("a qcow2 file passes for a raw one");
    }
  }
  await refusing(() => inspectUntrusted(path, "qcow2", "base.qcow2", true, true));
  for (const format of ["qcow2", "raw"]) await refusing(() => imageChain(path, format));
});
