/**
 * What is kept of a download: the part that has come, and beside it of which file it is a part. A later command goes on
 * with it where the server still has that very file.
 */
import { readFile, rename, stat, truncate, utimes, writeFile } from "node:fs/promises";
import { createEmpty, removeFile } from "../files.ts";
import { temporaryName } from "../temporary-files.ts";
import type { HttpAnswer } from "./answer.ts";

export interface KeptPart {
  readonly bytes: number;
  readonly etag: string;
  readonly totalBytes: number;
}

interface Facts {
  readonly url: string;
  readonly etag: string;
  readonly totalBytes: number;
  /** So much is of that file; what follows may be another's. Null: all of it is of that file. */
  readonly soundBytes: number | null;
  /** Of the machine's start: what was written before a power cut may be zeros. */
  readonly boot: string;
}

export const factsOf = (part: string): string => `${part}.json`;
export const headsOf = (part: string): string => `${part}.heads`;

/** What a download of `url` goes on with. Null: there is none, and `part` is an empty file of mode 0600 then. */
export async function findKept(part: string, url: string): Promise<KeptPart | null> {
  const facts = await readFacts(part);
  const size = (await stat(part).catch(() => null))?.size ?? 0;
  // The last byte is asked for again: only what the server sends says that it is still the same file.
  const bytes = facts === null ? 0 : Math.min(size, facts.soundBytes ?? size, facts.totalBytes - 1);
  if (facts === null || facts.url !== url || facts.boot !== (await bootId()) || bytes <= 0) {
    await forgetPart(part);
    await createEmpty(part, 0o600);
    return null;
  }
  await keepFacts(part, { ...facts, soundBytes: bytes });
  await truncate(part, bytes);
  const now = new Date();
  await utimes(part, now, now); // or who clears away what nobody goes on with would take it
  return { bytes, etag: facts.etag, totalBytes: facts.totalBytes };
}

/** What comes from now on is of the file that the server has told of; nothing is kept of one that may change. */
export async function keepPart(part: string, url: string, answer: HttpAnswer): Promise<void> {
  const { etag, totalBytes, takesRanges } = answer;
  if (etag === null || totalBytes === null || !takesRanges) return;
  await keepFacts(part, { url, etag, totalBytes, soundBytes: null, boot: await bootId() });
}

/** Its facts first: a part of which nothing is known is never gone on with. */
export async function forgetPart(part: string): Promise<void> {
  for (const path of [factsOf(part), headsOf(part), part]) await removeFile(path);
}

export async function isKept(part: string): Promise<boolean> {
  return (await readFacts(part)) !== null;
}

async function keepFacts(part: string, facts: Facts): Promise<void> {
  const written = temporaryName(part);
  await writeFile(written, JSON.stringify(facts), { mode: 0o600, flag: "wx" });
  await rename(written, factsOf(part)); // after a power cut it counts for nothing: it need not be on the disk
}

async function readFacts(part: string): Promise<Facts | null> {
  try {
    return JSON.parse(await readFile(factsOf(part), "utf8")) as Facts; // our own, and written whole
  } catch {
    return null;
  }
}

/** random(4), "/proc interfaces". */
async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim();
}
