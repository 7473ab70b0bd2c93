/** Where the trace of an error that nobody expected is kept: a person who reports it has it then. */
import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";

/** The newest so many are kept. */
const KEPT = 20;
const NAME = /^fault-[0-9TZ]+-\d+\.txt$/;
const MODES = { folder: 0o700, file: 0o600 };

/**
 * Writes it to $XDG_STATE_HOME/estrato, mode 0600, and returns the path; null where that cannot be. `text` holds the
 * line that was typed and the trace: secrets are in neither, since no option takes one.
 */
export function keepFault(text: string, env: Readonly<Record<string, string | undefined>>, now: Date): string | null {
  const named = env.XDG_STATE_HOME;
  const state = named !== undefined && isAbsolute(named) ? named : join(env.HOME || homedir(), ".local", "state");
  const folder = join(state, "estrato");
  const path = join(folder, `fault-${now.toISOString().replaceAll(/[-:.]/g, "")}-${process.pid}.txt`);
  try {
    mkdirSync(folder, { recursive: true, mode: MODES.folder });
    writeFileSync(path, text, { mode: MODES.file, flag: "wx" });
    chmodSync(path, MODES.file);
    const kept = readdirSync(folder).filter((name) => NAME.test(name));
    for (const name of kept.sort().slice(0, -KEPT)) rmSync(join(folder, name), { force: true });
    return path;
  } catch {
    return null;
  }
}
