/**
 * Chance from the kernel, as random(4) gives it. Node's own crypto takes it from there too, and 2 ms to be loaded: more
 * than most of what a command does with an id.
 */
import { closeSync, openSync, readSync } from "node:fs";

/** So many bytes that nobody can guess. */
export function randomBytes(count: number): Buffer {
  const device = openSync("/dev/urandom", "r");
  try {
    const bytes = Buffer.alloc(count);
    // Up to 256 bytes come whole, whatever signal there is (random(4)).
    if (readSync(device, bytes) !== count) throw new Error(`/dev/urandom: gave less than ${count} bytes`);
    return bytes;
  } finally {
    closeSync(device);
  }
}

/** As many hexadecimal digits as wished. */
export function randomDigits(count: number): string {
  return randomBytes(Math.ceil(count / 2))
    .toString("hex")
    .slice(0, count);
}

/** A UUID of version 4 (RFC 9562, 5.4). */
export function randomUuid(): string {
  const bytes = randomBytes(16);
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  return bytes.toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
