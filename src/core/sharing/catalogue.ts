/**
 * What others may know of a shared image: `shares/IMG-ID.json` in the store of whoever lends it, readable to those it
 * is shared with. It says which files the image consists of. Who reads it trusts none of it beyond what the kernel says
 * of the files (see borrow.ts).
 */
import { EstratoError } from "../../errors.ts";
import { chain } from "../graph/references.ts";
import type { Image, State } from "../model/state.ts";
import { whyNoName } from "../names.ts";
import type { StorePaths } from "../ports.ts";

const VERSION = 1;
const LONGEST_CHAIN = 200; // libvirt's own limit
const MOST_DISKS = 64;
/** More than any entry that we write. */
export const LONGEST_ENTRY_BYTES = 1024 * 1024;

export interface SharedDisk {
  readonly device: string;
  readonly sizeBytes: number;
  /** Absolute paths of qcow2 files, the top first; each stands on the next. */
  readonly files: readonly string[];
}

/** An image in somebody else's store. */
export interface SharedImage
  extends Pick<Image, "id" | "name" | "type" | "visibility" | "minDiskBytes" | "minRamBytes" | "uefi"> {
  readonly owner: string;
  readonly createdAt: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly disks: readonly SharedDisk[];
}

export function cataloguePath(paths: StorePaths, image: string): string {
  return `${paths.sharesFolder}/${image}.json`;
}

/** Where those write who use it: a folder for each user (by user id), and `public`. */
export function usesFolder(paths: StorePaths, image: string): string {
  return `${paths.sharesFolder}/${image}`;
}

/** The text of the catalogue entry, the same for the same state. */
export function catalogueText(state: State, image: Image): string {
  const { id, name, owner, type, visibility, minDiskBytes, minRamBytes, createdAt, properties } = image;
  const disks = image.disks.map(({ device, sizeBytes, layer }) => ({
    device,
    sizeBytes,
    files: chain(state, layer).map((one) => state.layers[one]?.file ?? ""),
  }));
  const entry: SharedImage = {
    id,
    name,
    owner,
    type,
    visibility,
    minDiskBytes,
    minRamBytes,
    createdAt,
    properties,
    uefi: image.uefi || image.nvram !== null,
    disks,
  };
  return `${JSON.stringify({ version: VERSION, ...entry }, null, 2)}\n`;
}

/**
 * Reads an entry of somebody's store, believing nothing; null where it is none. Throws "host" for one of a newer
 * estrato.
 */
export function parseCatalogue(text: string, id: string): SharedImage | null {
  let entry: Record<string, unknown>;
  try {
    const value: unknown = JSON.parse(text);
    if (!isObject(value)) return null;
    entry = value;
  } catch {
    return null;
  }
  if (typeof entry.version === "number" && entry.version > VERSION) {
    throw new EstratoError("host", `image ${id}: it was shared by a newer estrato`, { hint: "Use that version." });
  }
  const { name, owner, type, visibility, minDiskBytes, minRamBytes, createdAt, properties, uefi, disks } = entry;
  const isWhole =
    entry.version === VERSION &&
    entry.id === id &&
    isText(name) &&
    whyNoName(name) === null &&
    isText(owner) &&
    whyNoName(owner) === null &&
    (type === "base" || type === "snapshot") &&
    (visibility === "shared" || visibility === "public") &&
    isBytes(minDiskBytes) &&
    isBytes(minRamBytes) &&
    isText(createdAt) &&
    !Number.isNaN(Date.parse(createdAt)) &&
    typeof uefi === "boolean" &&
    isObject(properties) &&
    Object.values(properties).every(isText) &&
    Array.isArray(disks) &&
    disks.length > 0 &&
    disks.length <= MOST_DISKS &&
    disks.every(isDisk);
  return isWhole ? (entry as unknown as SharedImage) : null;
}

function isDisk(value: unknown): value is SharedDisk {
  if (!isObject(value)) return false;
  const { device, sizeBytes, files } = value;
  return (
    isText(device) &&
    /^[a-z]{2,8}$/.test(device) &&
    isBytes(sizeBytes) &&
    Array.isArray(files) &&
    files.length > 0 &&
    files.length <= LONGEST_CHAIN &&
    files.every(isText)
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isBytes(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
