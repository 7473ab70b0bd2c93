/** One file of settings: a flat JSON object of strings. */
import { dirname, join } from "node:path";
import { EstratoError } from "../errors.ts";
import { readOutsideSync } from "../outside-file.ts";
import { replaceThroughConf } from "./conf-file.ts";
import { makeFoldersDurably } from "./durable-file.ts";
import { errnoOf, hostError } from "./host-error.ts";
import { lockFile } from "./locks.ts";

const LOCK_TIMEOUT_MS = 30_000;
const LARGEST_BYTES = 1024 ** 2;

/** What a file holds, known or not; {} where there is none. "host" where it is no JSON object. */
export function readSettingsFile(path: string): Record<string, unknown> {
  let text: string;
  try {
    text = readOutsideSync(path, LARGEST_BYTES).toString("utf8");
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === "ENOENT" || errno === "ENOTDIR") return {};
    throw error instanceof EstratoError ? error : hostError(path, error);
  }
  try {
    const raw: unknown = JSON.parse(text);
    if (typeof raw === "object" && raw !== null && !Array.isArray(raw)) return raw as Record<string, unknown>;
  } catch {
    // The same line for whatever is wrong with it.
  }
  throw new EstratoError("host", `${path}: damaged settings: it holds no JSON object`, {
    hint: "Correct or remove that file.",
  });
}

/**
 * Changes the file under a lock, so that two who set at once both have set. Durable when it returns; folder and file
 * are made where they are not there.
 */
export async function changeSettingsFile(
  path: string,
  modes: { readonly file: number; readonly folder: number },
  change: (settings: Record<string, unknown>) => void,
  searchPath?: string,
): Promise<void> {
  const folder = dirname(path);
  makeFoldersDurably(folder, modes.folder);
  const lock = await lockFile(join(folder, ".config.lock"), {
    timeoutMs: LOCK_TIMEOUT_MS,
    what: `the settings in ${folder}`,
    searchPath,
  });
  try {
    const settings = readSettingsFile(path);
    const before = JSON.stringify(settings);
    change(settings);
    if (JSON.stringify(settings) === before) return;
    await replaceThroughConf(path, settings, `${JSON.stringify(settings, undefined, 2)}\n`, modes.file);
  } finally {
    lock.release();
  }
}
