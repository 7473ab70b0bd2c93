/**
 * A folder in memory for sockets, and for what is written of a guest while it is read: a journal that is replayed, of a
 * disk that may be encrypted.
 */
import { lstat, mkdir, rm } from "node:fs/promises";
import { EstratoError } from "../../errors.ts";
import { hiddenFiles, temporaryName } from "../temporary-files.ts";

/** File systems in memory that any Linux has. */
const IN_MEMORY = ["/dev/shm", "/run"];

/** A new one, 0700. Those of killed commands go with it. "host" where there is no place for one. */
export async function privateFolder(): Promise<string> {
  for (const place of IN_MEMORY) {
    const folder = temporaryName(`${place}/estrato`);
    try {
      await mkdir(folder, { mode: 0o700 });
    } catch {
      continue;
    }
    await clearDead(place);
    return folder;
  }
  throw new EstratoError("host", `a folder in memory is needed, and neither ${IN_MEMORY.join(" nor ")} takes one`, {
    hint: "See what is mounted there: findmnt.",
  });
}

async function clearDead(place: string): Promise<void> {
  for (const { path, writer } of await hiddenFiles(place)) {
    if (writer !== "dead") continue;
    const found = await lstat(path).catch(() => null);
    if (found?.isDirectory() && found.uid === process.getuid?.()) await rm(path, { recursive: true, force: true });
  }
}
