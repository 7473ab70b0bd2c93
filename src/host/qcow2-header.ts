/** The header of a qcow2 file, read by ourselves. Source: QEMU, docs/interop/qcow2.txt. */

export const QCOW2_MAGIC = 0x514649fb; // QFI\xfb

export interface Qcow2Header {
  readonly version: number;
  readonly backingFileOffset: bigint;
  readonly backingFileLengthBytes: number;
  readonly clusterBits: number;
  readonly virtualSizeBytes: bigint;
  readonly cryptMethod: number; // 0 none, 1 AES, 2 LUKS
  readonly l1Entries: number;
  readonly l1Offset: bigint;
  readonly refcountTableOffset: bigint;
  readonly refcountTableClusters: number;
  readonly snapshots: number;
  readonly incompatible: bigint; // feature bits
  readonly headerLengthBytes: number;
  readonly extensions: readonly { readonly type: number; readonly lengthBytes: number; readonly at: number }[];
}

/** Incompatible feature bits. */
export const INCOMPATIBLE = { dirty: 1n, corrupt: 2n, dataFile: 4n, compression: 8n, extendedL2: 16n } as const;

/** Header extensions. */
export const EXTENSION = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
  encryption: 0x0537be77,
  dataFile: 0x44415441,
} as const;

/** QEMU keeps the header, its extensions and the name of the backing file in less. */
export const HEADER_BYTES = 2 ** 16;
/** QEMU's own limit of the first table (block/qcow2.h, QCOW_MAX_L1_SIZE). */
export const LARGEST_L1_BYTES = 32 * 1024 ** 2;

const V2_LENGTH_BYTES = 72;
const V3_LENGTH_BYTES = 104;
export const LONGEST_BACKING_BYTES = 1023; // QEMU's own limit

/** Reads a header from the first bytes of a file; a text says why it is none. */
export function readQcow2Header(bytes: Buffer): Qcow2Header | string {
  if (bytes.length < V2_LENGTH_BYTES || bytes.readUInt32BE(0) !== QCOW2_MAGIC)
    return "it does not begin as a qcow2 file does";
  const version = bytes.readUInt32BE(4);
  if (version !== 2 && version !== 3) return `version ${version} of qcow2 is not known`;
  if (version === 3 && bytes.length < V3_LENGTH_BYTES) return "the header is cut off";
  const headerLengthBytes = version === 3 ? bytes.readUInt32BE(100) : V2_LENGTH_BYTES;
  const clusterBits = bytes.readUInt32BE(20);
  if (clusterBits < 9 || clusterBits > 21) return `a cluster of 2^${clusterBits} bytes is not allowed`;
  if (headerLengthBytes < (version === 3 ? V3_LENGTH_BYTES : V2_LENGTH_BYTES) || headerLengthBytes > 2 ** clusterBits) {
    return `a header of ${headerLengthBytes} bytes is not allowed`;
  }
  const refcountOrder = version === 3 ? bytes.readUInt32BE(96) : 4;
  if (refcountOrder > 6) return `a reference count of 2^${refcountOrder} bits is not allowed`;
  const backingFileOffset = bytes.readBigUInt64BE(8);
  const extensions = readExtensions(bytes, headerLengthBytes, 2 ** clusterBits, Number(backingFileOffset));
  if (typeof extensions === "string") return extensions;
  return {
    version,
    backingFileOffset,
    backingFileLengthBytes: bytes.readUInt32BE(16),
    clusterBits,
    virtualSizeBytes: bytes.readBigUInt64BE(24),
    cryptMethod: bytes.readUInt32BE(32),
    l1Entries: bytes.readUInt32BE(36),
    l1Offset: bytes.readBigUInt64BE(40),
    refcountTableOffset: bytes.readBigUInt64BE(48),
    refcountTableClusters: bytes.readUInt32BE(56),
    snapshots: bytes.readUInt32BE(60),
    incompatible: version === 3 ? bytes.readBigUInt64BE(72) : 0n,
    headerLengthBytes,
    extensions,
  };
}

/**
 * The file that a header names as what it stands on, and its format; null where it names none, or not within these
 * bytes.
 */
export function readBacking(bytes: Buffer, header: Qcow2Header): { file: string; format: string | null } | null {
  const start = Number(header.backingFileOffset);
  const length = header.backingFileLengthBytes;
  if (start === 0 || length === 0 || length > LONGEST_BACKING_BYTES || start + length > bytes.length) return null;
  const format = header.extensions.find(({ type }) => type === EXTENSION.backingFormat);
  return {
    file: textAt(bytes, start, length),
    format: format === undefined ? null : textAt(bytes, format.at, format.lengthBytes),
  };
}

/** As QEMU reads it, for which a text ends at its first NUL. */
function textAt(bytes: Buffer, at: number, length: number): string {
  return bytes.toString("utf8", at, at + length).split("\0", 1)[0] ?? "";
}

/** Up to their end mark, the name of the file below (old versions wrote it without a mark), or the cluster's end. */
function readExtensions(
  bytes: Buffer,
  from: number,
  clusterBytes: number,
  nameAt: number,
): Qcow2Header["extensions"] | string {
  const extensions: { type: number; lengthBytes: number; at: number }[] = [];
  const end = Math.min(bytes.length, clusterBytes, nameAt || clusterBytes);
  for (let at = from; at + 8 <= end; ) {
    const type = bytes.readUInt32BE(at);
    if (type === EXTENSION.end) return extensions;
    const lengthBytes = bytes.readUInt32BE(at + 4);
    if (lengthBytes > end - at - 8) return "a header extension reaches beyond its place";
    extensions.push({ type, lengthBytes, at: at + 8 });
    at += 8 + Math.ceil(lengthBytes / 8) * 8;
  }
  return extensions;
}
