/**
 * Looks at an image file from outside without trusting a byte of it (LIBVIRT.md, trap 9: CVE-2015-1850,
 * CVE-2022-47951, CVE-2024-32498, CVE-2024-4467). No program of QEMU's opens the file before this has passed.
 */
import type { FileHandle } from "node:fs/promises";
import type { ImageInfo } from "../core/model/host.ts";
import { knownBasename } from "../descriptor-names.ts";
import { EstratoError } from "../errors.ts";
import { openOutside } from "../outside-file.ts";
import { notOpened } from "./held-file.ts";
import { printable } from "./process-failure.ts";
import { EXTENSION, INCOMPATIBLE, type Qcow2Header, readBacking, readQcow2Header } from "./qcow2-header.ts";
import { faultOfTables } from "./qcow2-tables.ts";

const READ_BYTES = 2 ** 21; // the largest cluster: the whole header lies in the first one
const MAX_VIRTUAL_BYTES = 2n ** 46n; // 64 TiB

/** What a file of another format begins with. A raw disk that begins so would one day be probed as that format. */
const MAGICS: readonly { readonly format: string; readonly at: number; readonly bytes: string }[] = [
  { format: "qcow2", at: 0, bytes: "QFI\xfb" },
  { format: "qed", at: 0, bytes: "QED\0" },
  { format: "vmdk", at: 0, bytes: "KDMV" },
  { format: "vmdk", at: 0, bytes: "COWD" },
  { format: "vmdk", at: 0, bytes: "# Disk DescriptorFile" },
  { format: "vdi", at: 0x40, bytes: "\x7f\x10\xda\xbe" },
  { format: "vhdx", at: 0, bytes: "vhdxfile" },
  { format: "vpc", at: 0, bytes: "conectix" },
  { format: "luks", at: 0, bytes: "LUKS\xba\xbe" },
  { format: "parallels", at: 0, bytes: "WithoutFreeSpace" },
  { format: "parallels", at: 0, bytes: "WithouFreSpacExt" },
  { format: "bochs", at: 0, bytes: "Bochs Virtual HD Image" },
  { format: "cloop", at: 0, bytes: "#!/bin/sh\n#V2.0 Format" },
  { format: "ova (a tar archive)", at: 257, bytes: "ustar" },
  { format: "gzip", at: 0, bytes: "\x1f\x8b" },
  { format: "xz", at: 0, bytes: "\xfd7zXZ\0" },
  { format: "zstd", at: 0, bytes: "\x28\xb5\x2f\xfd" },
  { format: "bzip2", at: 0, bytes: "BZh" },
  { format: "zip", at: 0, bytes: "PK\x03\x04" },
  { format: "web page", at: 0, bytes: "<!DOCTYPE" },
  { format: "web page", at: 0, bytes: "<html" },
];

/**
 * The facts of an untrusted image. `format` null means: qcow2 by its magic, else raw where no other format's magic is
 * there. `backing`: the one file that it must stand on, as its header names it; `encrypted`: it may be; `tables`:
 * they are read too. "not_found" where there is no file; "host" with the reason where it is not what it claims, or
 * names another file.
 */
export async function inspectUntrusted(
  path: string,
  format: "qcow2" | "raw" | null,
  backing: string | null = null,
  encrypted = false,
  tables = false,
): Promise<ImageInfo> {
  const file = await openRegular(path);
  try {
    const stat = await file.stat();
    const head = Buffer.alloc(Math.min(READ_BYTES, stat.size));
    const { bytesRead } = await file.read(head, 0, head.length, 0);
    const bytes = head.subarray(0, bytesRead);
    const facts = factsOf(bytes, stat.size, path, format, { backing, encrypted });
    if (tables && facts.format === "qcow2") await requireTables(file, bytes, stat.size, path);
    const backingFormat = backing === null ? null : "qcow2";
    return { ...facts, path, actualSizeBytes: stat.blocks * 512, backing, backingFormat };
  } finally {
    await file.close();
  }
}

async function requireTables(file: FileHandle, bytes: Buffer, fileBytes: number, path: string): Promise<void> {
  const header = readQcow2Header(bytes);
  const why = typeof header === "string" ? header : await faultOfTables(file, header, fileBytes);
  if (why !== null) throw refusal(path, why, GET_AGAIN);
}

/** A link to a file is followed, since the user named it; a pipe, a device or a folder is not read. */
async function openRegular(path: string): Promise<FileHandle> {
  try {
    return await openOutside(path);
  } catch (cause) {
    if (cause instanceof EstratoError)
      throw refusal(path, "it is not a regular file", "Give the path of an image file.");
    throw notOpened(path, cause);
  }
}

type Facts = Pick<ImageInfo, "format" | "virtualSizeBytes" | "encrypted" | "dirty" | "internalSnapshots">;

function factsOf(
  bytes: Buffer,
  fileBytes: number,
  path: string,
  format: "qcow2" | "raw" | null,
  { backing, encrypted }: { readonly backing: string | null; readonly encrypted: boolean },
): Facts {
  const seen = formatByMagic(bytes);
  if (format === "qcow2" || (format === null && seen === "qcow2")) {
    const header = readQcow2Header(bytes);
    if (typeof header === "string") throw refusal(path, `not a qcow2 image: ${header}`, hintFor(seen));
    const named = backing === null ? null : readBacking(bytes, header);
    if (backing !== null && (named?.file !== backing || named.format !== "qcow2"))
      throw refusal(path, `it does not stand on ${printable(backing)}`, GET_AGAIN);
    const fault = faultOf(header, fileBytes, { stand: backing !== null, encrypted });
    if (fault) throw refusal(path, fault.why, fault.hint);
    return {
      format: "qcow2",
      virtualSizeBytes: Number(header.virtualSizeBytes),
      encrypted: header.cryptMethod !== 0,
      dirty: (header.incompatible & (INCOMPATIBLE.dirty | INCOMPATIBLE.corrupt)) !== 0n,
      internalSnapshots: header.snapshots,
    };
  }
  if (seen !== null) throw refusal(path, `not a raw disk: it begins as a file of format ${seen} does`, hintFor(seen));
  if (fileBytes === 0) throw refusal(path, "the file is empty", "Give a disk image.");
  return {
    format: "raw",
    virtualSizeBytes: Math.ceil(fileBytes / 512) * 512, // QEMU fills up to a whole sector
    encrypted: false,
    dirty: false,
    internalSnapshots: 0,
  };
}

/** The format whose magic these bytes begin with; null where none is known. */
export function formatByMagic(bytes: Buffer): string | null {
  const found = MAGICS.find(({ at, bytes: magic }) => bytes.toString("latin1", at, at + magic.length) === magic);
  return found?.format ?? null;
}

interface Fault {
  readonly why: string;
  readonly hint: string;
}

const FLATTEN = "Make a self-standing copy of it where it came from: qemu-img convert -O qcow2 OLD NEW.";
const GET_AGAIN = "Get the file again, and compare its checksum.";

function faultOf(
  header: Qcow2Header,
  fileBytes: number,
  may: { readonly stand: boolean; readonly encrypted: boolean },
): Fault | null {
  const known = INCOMPATIBLE.dirty | INCOMPATIBLE.corrupt | INCOMPATIBLE.compression | INCOMPATIBLE.extendedL2;
  const extension = (type: number) => header.extensions.some((each) => each.type === type);
  const clusterBytes = 2n ** BigInt(header.clusterBits);
  const faults: readonly (readonly [boolean, string, string])[] = [
    [
      !may.stand && (header.backingFileOffset !== 0n || header.backingFileLengthBytes !== 0),
      "it names a backing file",
      FLATTEN,
    ],
    [!may.stand && extension(EXTENSION.backingFormat), "it names a backing file's format", FLATTEN],
    [(header.incompatible & INCOMPATIBLE.dataFile) !== 0n, "its data lies in another file", FLATTEN],
    [extension(EXTENSION.dataFile), "it names a data file", FLATTEN],
    [
      (header.incompatible & ~(known | INCOMPATIBLE.dataFile)) !== 0n,
      "it uses features that are not known here",
      FLATTEN,
    ],
    [(header.incompatible & INCOMPATIBLE.corrupt) !== 0n, "it is marked as corrupt", GET_AGAIN],
    [header.cryptMethod > 2, `encryption method ${header.cryptMethod} is not known`, FLATTEN],
    [
      header.cryptMethod !== 0 && !may.encrypted,
      "it is encrypted",
      "Decrypt it first: qemu-img convert with its passphrase.",
    ],
    [header.virtualSizeBytes === 0n, "its disk has no size", GET_AGAIN],
    [header.virtualSizeBytes > MAX_VIRTUAL_BYTES, "its disk is larger than 64 TiB", GET_AGAIN],
    [
      header.l1Offset % clusterBytes !== 0n || header.l1Offset === 0n,
      "its tables do not lie where tables can",
      GET_AGAIN,
    ],
    [header.refcountTableOffset % clusterBytes !== 0n, "its tables do not lie where tables can", GET_AGAIN],
    [
      header.l1Offset + BigInt(header.l1Entries) * 8n > BigInt(fileBytes) ||
        header.refcountTableOffset + BigInt(header.refcountTableClusters) * clusterBytes > BigInt(fileBytes),
      "it is cut off: its tables lie beyond its end",
      GET_AGAIN,
    ],
    [BigInt(header.l1Entries) < l1EntriesNeeded(header), "its tables are too small for its size", GET_AGAIN],
    [header.snapshots > 65536, "it claims too many internal snapshots", GET_AGAIN],
  ];
  const found = faults.find(([is]) => is);
  return found ? { why: found[1], hint: found[2] } : null;
}

/** One level-2 table fills a cluster; its entries take 8 bytes, with sub-clusters 16. */
function l1EntriesNeeded(header: Qcow2Header): bigint {
  const entryBytes = (header.incompatible & INCOMPATIBLE.extendedL2) !== 0n ? 16n : 8n;
  const clusterBytes = 2n ** BigInt(header.clusterBits);
  const perEntry = clusterBytes * (clusterBytes / entryBytes);
  return (header.virtualSizeBytes + perEntry - 1n) / perEntry;
}

function hintFor(seen: string | null): string {
  if (seen === null) return "Where it is a raw disk, say --disk-format raw.";
  if (seen === "qcow2") return "Say --disk-format qcow2.";
  return "Convert it to qcow2 or raw first.";
}

function refusal(path: string, why: string, hint: string): EstratoError {
  return new EstratoError("host", `${printable(knownBasename(path))}: ${why}`, { hint });
}
