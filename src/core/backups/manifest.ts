/**
 * What a backup says of itself: the file that makes a folder a backup. Its format is described in estrato-backup(7).
 */
import { createHash } from "node:crypto";
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { MANIFEST } from "./parts.ts";
import type { BackupFiles } from "./targets/target.ts";

const FORMAT = 1;
const bytes = v.pipe(v.number(), v.integer(), v.minValue(0));
/** A name in the backup's own folder: a manifest from outside names no other file of this host. */
const fileName = v.pipe(v.string(), v.regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/));
const backupId = v.pipe(v.string(), v.regex(/^bak-[0-9a-f]{17}$/));
const sum = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));

const summed = v.object({ file: fileName, sha256: sum });
const mac = v.pipe(v.string(), v.regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/));
const texts = v.record(v.string(), v.string());
const time = v.pipe(v.string(), v.isoTimestamp());

/** What `backup restore --as-it-was` brings back that neither the disks nor the definition hold. */
const identity = v.object({
  createdAt: v.nullable(time), // null: nobody knows, it was there before estrato
  image: v.nullable(v.string()), // id of the image or snapshot it was made from
  properties: texts,
  autostart: v.boolean(),
  publicKey: v.nullable(v.string()), // of its key pair
  addresses: v.array(v.object({ network: v.string(), mac, ip: v.pipe(v.string(), v.ipv4()) })), // reserved for it
  volumes: v.array(
    v.object({
      id: v.string(), // vol-…
      name: v.nullable(v.string()),
      deleteWithInstance: v.boolean(),
      properties: texts,
      createdAt: time,
    }),
  ),
});

const disk = v.object({
  device: v.pipe(v.string(), v.regex(/^[a-z]{1,8}$/)),
  volume: v.string(), // vol-…, which the definition names as the disk's source
  file: fileName, // qcow2
  sizeBytes: bytes, // of the disk
  fileBytes: bytes, // of the file
  sourceEncrypted: v.boolean(), // the volume itself: what is restored of it is encrypted too
  parent: v.nullable(backupId), // the backup in whose disk of this device it stands; null: it stands by itself
  sums: summed, // of the file's blocks, see sums.ts
});

/** More than a machine of QEMU's takes. */
const MOST_DISKS = 1000;

const manifest = v.object({
  format: v.literal(FORMAT),
  id: backupId,
  name: v.nullable(v.string()),
  type: v.string(), // daily, weekly, …
  instance: v.object({
    id: v.string(),
    name: v.string(),
    vcpus: v.number(),
    ramBytes: bytes,
    flavor: v.nullable(v.string()),
    keyName: v.nullable(v.string()),
  }),
  identity: v.optional(identity), // absent: taken by 0.1.0
  schedule: v.optional(v.pipe(v.string(), v.regex(/^sch-[0-9a-f]{17}$/))), // that took it; absent: none did
  owner: v.string(),
  createdAt: v.pipe(v.string(), v.isoTimestamp()),
  consistency: v.picklist(["offline", "crash", "filesystem"]),
  compressed: v.boolean(),
  encrypted: v.boolean(),
  protected: v.boolean(),
  disks: v.pipe(v.array(disk), v.minLength(1), v.maxLength(MOST_DISKS)),
  definition: summed, // libvirt's XML, with volumes' ids for its disks' sources
  nvram: v.nullable(summed),
  tpm: v.nullable(summed),
  seed: v.optional(summed), // its NoCloud seed; absent: it has none, or the backup is encrypted
  uefi: v.boolean(), // of a guest with UEFI
  versions: v.object({ libvirt: v.string(), qemu: v.string() }), // that took it
});

/** Of what is decided before it is taken: the journal remembers it. */
export const contentSchema = v.pick(manifest, [
  "name",
  "type",
  "instance",
  "identity",
  "schedule",
  "owner",
  "compressed",
]);

export type Manifest = v.InferOutput<typeof manifest>;
export type BackupDisk = Manifest["disks"][number];
export type Identity = v.InferOutput<typeof identity>;

export const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The text of manifest.json: the manifest, and a checksum over it, so that it vouches for itself too. */
export function manifestText(content: Manifest): string {
  const checked = v.parse(manifest, content);
  return fileText({ manifest: checked, sha256: checksumOf(checked) });
}

/** Null where it has none. Throws what `parseManifest` throws. */
export async function readManifest(backup: BackupFiles): Promise<Manifest | null> {
  const text = await backup.readText(MANIFEST);
  return text === null ? null : parseManifest(text, backup.nameOf(MANIFEST));
}

/**
 * Throws "integrity" where the text is no manifest, or not the one that was written. `where` names it for the messages.
 */
function parseManifest(text: string, where: string): Manifest {
  const damaged = (why: string) =>
    new EstratoError("integrity", `${where}: ${why}`, {
      hint: "Get it back from a copy; without it this is no backup.",
    });
  let read: { manifest?: unknown; sha256?: unknown };
  try {
    read = JSON.parse(text);
  } catch {
    throw damaged("damaged: it is no JSON");
  }
  if (typeof read !== "object" || read === null) throw damaged("damaged: it is no manifest");
  const { format } = (read.manifest ?? {}) as { format?: unknown };
  if (typeof format === "number" && format > FORMAT) {
    throw new EstratoError(
      "host",
      `${where}: written by a newer estrato (format ${format}, this one knows ${FORMAT})`,
      {
        hint: "Upgrade estrato on this host.",
      },
    );
  }
  if (read.sha256 !== checksumOf(read.manifest) || text !== fileText(read)) {
    throw damaged("damaged: its checksum is not that of its content");
  }
  const result = v.safeParse(manifest, read.manifest);
  if (!result.success) throw damaged(`damaged: ${result.issues[0].message}`);
  return result.output;
}

function checksumOf(content: unknown): string {
  return sha256(JSON.stringify(content, null, 2) ?? "");
}

/** Byte for byte: a changed space is a changed byte. */
function fileText({ manifest: content, sha256: sum }: { manifest?: unknown; sha256?: unknown }): string {
  return `${JSON.stringify({ manifest: content, sha256: sum }, null, 2)}\n`;
}
