/** The two files of a user's ssh: ours, and the one that includes it. */
import { mkdir, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { EstratoError } from "../../errors.ts";
import { readOutside } from "../../outside-file.ts";
import type { Plan } from "../../ui/plan.ts";
import { replaceFile } from "../framework/files.ts";

const OURS = "estrato_config";
const INCLUDE = `Include ${OURS}`;

/** What `installSshConfig` does. */
export function sshConfigPlan(home: string): Plan {
  const [ours, config] = [join(home, ".ssh", OURS), join(home, ".ssh", "config")];
  return {
    steps: [
      { title: `Write ${ours}`, commands: [{ program: "install", args: ["-m", "600", "/dev/stdin", ours] }] },
      { title: `Have ${config} begin with "${INCLUDE}", where it does not yet`, commands: [] },
    ],
    notes: [],
    freesBytes: null,
  };
}

/**
 * Writes our file (0600) as a whole, and puts the line that includes it at the top of the user's, where an Include is
 * for all hosts (ssh_config(5)). What else stands there stays, byte for byte. Throws "host", with both as they were,
 * where the user's cannot be read; and where one cannot be written.
 */
export async function installSshConfig(home: string, text: string): Promise<void> {
  const folder = join(home, ".ssh");
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const config = await target(join(folder, "config"));
    const before = await readConfig(config);
    await replaceFile(join(folder, OURS), `# Written by "estrato instance ssh-config --install".\n${text}`, 0o600);
    const lines = before.toString("latin1").split("\n");
    if (lines.some((line) => line.trim().toLowerCase() === INCLUDE.toLowerCase())) return;
    const mode = (await stat(config).catch(() => null))?.mode ?? 0o600;
    await replaceFile(config, Buffer.concat([Buffer.from(`${INCLUDE}\n\n`), before]), mode & 0o777);
  } catch (cause) {
    if (cause instanceof EstratoError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new EstratoError("host", `${folder}: it cannot be read or written (${why})`, {
      hint: "Check who may use it.",
      cause,
    });
  }
}

/** Where a link leads, which dotfiles often are: the file itself is replaced, not the link. */
async function target(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

const LARGEST_BYTES = 16 * 1024 ** 2;

/** One that cannot be read is none that is empty: ours would take its place. */
async function readConfig(path: string): Promise<Buffer> {
  try {
    return await readOutside(path, { maxBytes: LARGEST_BYTES });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return Buffer.alloc(0);
    throw error;
  }
}
