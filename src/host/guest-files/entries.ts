/** What guestfish prints of files, as entries: lstatns, lstatnslist, and names of bytes. */
import { constants } from "node:fs";
import type { GuestEntry, GuestKind } from "../../core/model/guest-files.ts";

const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG, S_IFSOCK } = constants;

const KINDS: Readonly<Record<number, GuestKind>> = {
  [S_IFDIR]: "folder",
  [S_IFREG]: "file",
  [S_IFLNK]: "link",
  [S_IFCHR]: "device",
  [S_IFBLK]: "device",
  [S_IFIFO]: "fifo",
  [S_IFSOCK]: "socket",
};

/** Each struct that guestfish has printed; null for a name that it did not find. */
export function readStats(text: string): (Omit<GuestEntry, "name"> | null)[] {
  const found: Map<string, number>[] = [];
  for (const line of text.split("\n")) {
    const [, key = "", value = ""] = /^\s*(st_[a-z_0-9]+): (-?\d+)$/.exec(line) ?? [];
    if (key === "st_dev") found.push(new Map());
    if (key !== "") found.at(-1)?.set(key, Number(value));
  }
  return found.map((stat) => {
    const at = (key: string) => stat.get(key) ?? 0;
    const kind = KINDS[at("st_mode") & S_IFMT];
    if (at("st_ino") < 0 || kind === undefined) return null;
    return {
      kind,
      mode: at("st_mode") & 0o7777,
      uid: at("st_uid"),
      gid: at("st_gid"),
      sizeBytes: Math.max(0, at("st_size")),
      modifiedAt: momentOf(at("st_mtime_sec") * 1000 + Math.floor(at("st_mtime_nsec") / 1_000_000)),
    };
  });
}

/** The guest may say anything. */
export function momentOf(ms: number): Date {
  const moment = new Date(ms);
  return Number.isNaN(moment.getTime()) || moment.getTime() < 0 ? new Date(0) : moment;
}

/** A name as people read it: what is not UTF-8 in it as `\xff`. */
export function nameText(bytes: Buffer): string {
  const text = bytes.toString("utf8");
  if (Buffer.from(text, "utf8").equals(bytes)) return text;
  let shown = "";
  for (let at = 0; at < bytes.length; ) {
    const length = [1, 2, 3, 4].find((one) => isCharacter(bytes.subarray(at, at + one)));
    shown += length === undefined ? `\\x${hex(bytes[at] ?? 0)}` : bytes.toString("utf8", at, at + length);
    at += length ?? 1;
  }
  return shown;
}

function isCharacter(bytes: Buffer): boolean {
  const text = bytes.toString("utf8");
  return [...text].length === 1 && Buffer.from(text, "utf8").equals(bytes);
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, "0");
}
