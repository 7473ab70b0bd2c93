/** What qcow2 headers say that files stand on. */
import { closeSync, openSync, readSync } from "node:fs";
import { dirname, resolve } from "node:path";

const MAGIC = 0x514649fb;

/** Every file that is read, top first, by the headers alone. */
export function chainOf(file: string): string[] {
  const chain = [file];
  for (let next = backingOf(file); next !== null && chain.length < 300; next = backingOf(next)) chain.push(next);
  return chain;
}

function backingOf(file: string): string | null {
  const from = openSync(file, "r");
  try {
    const header = Buffer.alloc(20);
    if (readSync(from, header, 0, 20, 0) < 20 || header.readUInt32BE(0) !== MAGIC) return null;
    const bytes = header.readUInt32BE(16);
    if (bytes === 0) return null;
    const name = Buffer.alloc(bytes);
    readSync(from, name, 0, bytes, Number(header.readBigUInt64BE(8)));
    return resolve(dirname(file), name.toString());
  } finally {
    closeSync(from);
  }
}
