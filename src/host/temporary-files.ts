/**
 * Files that are being written, under a hidden name that says by whom: what was left by a process that is no more can
 * be told from what is under way.
 */
import { readFileSync } from "node:fs";
import { lstat, readdir } from "node:fs/promises";
import { dirname } from "node:path";
import type { HiddenFile } from "../core/model/host.ts";
import { randomDigits } from "../random.ts";

/** PID, when it was started (ticks since the host was: proc(5), stat), and some chance. */
const OURS = /^\.(\d+)-(\d+)-[0-9a-f]{12}\.part$/;
/** 0.1.0 said nothing of who wrote: nobody needs an hour for one of these. */
const OLDER = /^\.[0-9a-f]{12}\.part$/;
const ABANDONED_AFTER_MS = 3_600_000;
/** Of a download, what has come and what is known of it: the same command goes on with it for that long. */
const DOWNLOAD = /^\.[0-9a-f]{32}\.download(\.json|\.heads)?$/;
const DOWNLOAD_KEPT_MS = 24 * 3_600_000;

let ownStart: string | null = null;

/** A name beside `path` that nothing else has; hidden from `listFolder`. */
export function temporaryName(path: string): string {
  ownStart ??= startOf(process.pid) ?? "0";
  return `${dirname(path)}/.${process.pid}-${ownStart}-${randomDigits(12)}.part`;
}

/** The files of a folder whose names begin with a dot; [] where there is no such folder. */
export async function hiddenFiles(folder: string): Promise<HiddenFile[]> {
  const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  const found: HiddenFile[] = [];
  for (const name of names.filter((one) => one.startsWith(".")).sort()) {
    const path = `${folder}/${name}`;
    found.push({ path, writer: await writerOf(path, name) });
  }
  return found;
}

async function writerOf(path: string, name: string): Promise<HiddenFile["writer"]> {
  const [, pid, start] = OURS.exec(name) ?? [];
  if (pid !== undefined) return startOf(Number(pid)) === start ? "living" : "dead";
  const isDownload = DOWNLOAD.test(name);
  if (!isDownload && !OLDER.test(name)) return "unknown";
  // What is known of a download is written once, and is needed as long as that is gone on with.
  const lastWritten = isDownload ? path.replace(/\.(json|heads)$/, "") : path;
  const written = await lstat(lastWritten).catch(() => lstat(path).catch(() => null));
  const ageMs = written === null ? 0 : Date.now() - written.mtimeMs;
  if (isDownload) return ageMs > DOWNLOAD_KEPT_MS ? "expired" : "kept";
  return ageMs > ABANDONED_AFTER_MS ? "dead" : "living";
}

/** Null where there is no such process. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? null;
  } catch {
    return null;
  }
}
