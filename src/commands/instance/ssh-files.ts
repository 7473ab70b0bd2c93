/** The two files of a user's ssh: ours, and the one that includes it. */
import { mkdir, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EstratoError } from "../../errors.ts";
import type { Plan } from "../../ui/plan.ts";

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
 * for all hosts (ssh_config(5)). What else stands there stays. Throws "host" where one cannot be written.
 */
export async function installSshConfig(home: string, text: string): Promise<void> {
  const folder = join(home, ".ssh");
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await replace(join(folder, OURS), `# Written by "estrato instance ssh-config --install".\n${text}`, 0o600);
    const config = await target(join(folder, "config"));
    const before = await readFile(config, "utf8").catch(() => "");
    if (before.split("\n").some((line) => line.trim().toLowerCase() === INCLUDE.toLowerCase())) return;
    const mode = (await stat(config).catch(() => null))?.mode ?? 0o600;
    await replace(config, `${INCLUDE}\n\n${before}`, mode & 0o777);
  } catch (cause) {
    if (cause instanceof EstratoError) throw cause;
    const why = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new EstratoError("host", `${folder}: it cannot be written (${why})`, {
      hint: "Check who may use it.",
      cause,
    });
  }
}

/** Where a link leads, which dotfiles often are: the file itself is replaced, not the link. */
async function target(path: string): Promise<string> {
  return realpath(path).catch(() => path);
}

/** One of the two, old or new, is there at any time. */
async function replace(path: string, text: string, mode: number): Promise<void> {
  const making = `${path}.estrato.making`;
  await writeFile(making, text, { mode });
  await rename(making, path);
}
