/** The time zone of the machine, which its cron goes by: see tzset(3), localtime(5), timezone(5). */
import { readFile, realpath } from "node:fs/promises";

/**
 * Its IANA name, whatever `TZ` says to this process. Where /etc/localtime is a copy, what /etc/timezone says; where
 * neither names a zone that this program knows, that of this process.
 */
export async function timeZone(etc = "/etc"): Promise<string> {
  for (const found of [await linked(`${etc}/localtime`), await named(`${etc}/timezone`)]) {
    if (found !== null && isKnown(found)) return found;
  }
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

async function linked(path: string): Promise<string | null> {
  try {
    return /\/zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(await realpath(path))?.[1] ?? null;
  } catch {
    return null; // there is none
  }
}

async function named(path: string): Promise<string | null> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch {
    return null;
  }
}

function isKnown(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}
