/** How qemu-img and qemu-io open a chain of which some files are encrypted. All have the passphrase of the walk. */
import { closeSync, openSync, readSync } from "node:fs";
import { join } from "node:path";
import { chainOf } from "./chain.ts";

/** In the folder of the walk. */
export const KEY_FILE = "passphrase";

const MAGIC = 0x514649fb;
const LUKS = 2;

/** By its header alone. */
export function isEncrypted(file: string): boolean {
  const from = openSync(file, "r");
  try {
    const header = Buffer.alloc(36);
    return (
      readSync(from, header, 0, 36, 0) === 36 && header.readUInt32BE(0) === MAGIC && header.readUInt32BE(32) === LUKS
    );
  } finally {
    closeSync(from);
  }
}

/** Options, and a name, for a qcow2 file; null where no file of its chain is encrypted. `walk`: the walk's folder. */
export function encryptedName(file: string, walk: string): { options: string[]; name: string } | null {
  const chain = chainOf(file);
  if (!chain.some(isEncrypted)) return null;
  const node = chain.reduceRight<object | null>(
    (backing, one) => ({
      driver: isQcow2(one) ? "qcow2" : "raw",
      file: { driver: "file", filename: one },
      ...(isEncrypted(one) ? { encrypt: { format: "luks", "key-secret": "key" } } : {}),
      ...(isQcow2(one) ? { backing } : {}),
    }),
    null,
  );
  return { options: ["--object", `secret,id=key,file=${join(walk, KEY_FILE)}`], name: `json:${JSON.stringify(node)}` };
}

function isQcow2(file: string): boolean {
  const from = openSync(file, "r");
  try {
    const header = Buffer.alloc(4);
    return readSync(from, header, 0, 4, 0) === 4 && header.readUInt32BE(0) === MAGIC;
  } finally {
    closeSync(from);
  }
}
