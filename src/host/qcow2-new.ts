/**
 * The file of a new head, as `qemu-img create -o compat=1.1,cluster_size=65536 -b … -F …` makes it, byte for byte on
 * QEMU 7.2: a header and three tables that say that nothing is in it yet. Every snapshot, revert and new instance makes
 * one for each disk, and a process takes longer than all else of it. Source: QEMU, docs/interop/qcow2.txt.
 */
import { EXTENSION, LARGEST_L1_BYTES, LONGEST_BACKING_BYTES, QCOW2_MAGIC } from "./qcow2-header.ts";

const CLUSTER_BITS = 16;
const CLUSTER_BYTES = 2 ** CLUSTER_BITS;
const SECTOR_BYTES = 512;
/** What one entry of the first table stands for: a second table of one cluster, of 8 bytes for each cluster of data. */
const L1_ENTRY_BYTES = (CLUSTER_BYTES / 8) * CLUSTER_BYTES;
const HEADER_LENGTH_BYTES = 112;
const REFCOUNT_ORDER = 4; // 16 bits
/** In clusters. */
const AT = { refcountTable: 1, refcountBlock: 2, l1: 3 } as const;

/** What a QEMU that does not know a feature calls it by: kind (incompatible, compatible, autoclear), bit, name. */
const FEATURES: readonly (readonly [number, number, string])[] = [
  [0, 0, "dirty bit"],
  [0, 1, "corrupt bit"],
  [0, 2, "external data file"],
  [0, 3, "compression type"],
  [0, 4, "extended L2 entries"],
  [1, 0, "lazy refcounts"],
  [2, 0, "bitmaps"],
  [2, 1, "raw external data"],
];
const FEATURE_BYTES = 48;

export interface NewOverlay {
  /** Absolute. */
  readonly backing: { readonly path: string; readonly format: string };
  readonly sizeBytes: number;
}

/** The whole file; null where QEMU would refuse it, and says why. */
export function emptyOverlay({ backing, sizeBytes }: NewOverlay): Buffer | null {
  const name = Buffer.from(backing.path);
  const size = Math.ceil(sizeBytes / SECTOR_BYTES) * SECTOR_BYTES;
  const l1Entries = Math.ceil(size / L1_ENTRY_BYTES);
  if (name.length > LONGEST_BACKING_BYTES || sizeBytes <= 0 || l1Entries * 8 > LARGEST_L1_BYTES) return null;
  const l1Clusters = Math.ceil((l1Entries * 8) / CLUSTER_BYTES);
  const bytes = Buffer.alloc(AT.l1 * CLUSTER_BYTES + l1Entries * 8); // the last cluster is not filled up
  const extensions = [
    extension(EXTENSION.backingFormat, Buffer.from(backing.format)),
    extension(EXTENSION.featureNames, featureNames()),
    Buffer.alloc(8), // the end
  ];
  const header = Buffer.concat([Buffer.alloc(HEADER_LENGTH_BYTES), ...extensions, name]);
  header.writeUInt32BE(QCOW2_MAGIC, 0);
  header.writeUInt32BE(3, 4);
  header.writeBigUInt64BE(BigInt(header.length - name.length), 8);
  header.writeUInt32BE(name.length, 16);
  header.writeUInt32BE(CLUSTER_BITS, 20);
  header.writeBigUInt64BE(BigInt(size), 24);
  header.writeUInt32BE(l1Entries, 36);
  header.writeBigUInt64BE(BigInt(AT.l1 * CLUSTER_BYTES), 40);
  header.writeBigUInt64BE(BigInt(AT.refcountTable * CLUSTER_BYTES), 48);
  header.writeUInt32BE(1, 56);
  header.writeUInt32BE(REFCOUNT_ORDER, 96);
  header.writeUInt32BE(HEADER_LENGTH_BYTES, 100);
  header.copy(bytes);
  bytes.writeBigUInt64BE(BigInt(AT.refcountBlock * CLUSTER_BYTES), AT.refcountTable * CLUSTER_BYTES);
  for (let cluster = 0; cluster < AT.l1 + l1Clusters; cluster += 1)
    bytes.writeUInt16BE(1, AT.refcountBlock * CLUSTER_BYTES + cluster * 2);
  return bytes;
}

/** Its length, and what is in it up to a multiple of eight bytes. */
function extension(type: number, content: Buffer): Buffer {
  const bytes = Buffer.alloc(8 + Math.ceil(content.length / 8) * 8);
  bytes.writeUInt32BE(type, 0);
  bytes.writeUInt32BE(content.length, 4);
  content.copy(bytes, 8);
  return bytes;
}

function featureNames(): Buffer {
  const bytes = Buffer.alloc(FEATURES.length * FEATURE_BYTES);
  for (const [index, [kind, bit, name]] of FEATURES.entries()) {
    bytes.writeUInt8(kind, index * FEATURE_BYTES);
    bytes.writeUInt8(bit, index * FEATURE_BYTES + 1);
    bytes.write(name, index * FEATURE_BYTES + 2, "latin1");
  }
  return bytes;
}
