/** The one way a JSON file is replaced through conf, made safe for what conf does not care for. */
import { closeSync, fsyncSync, openSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { EstratoError } from "../errors.ts";
import { discard, syncFolder } from "./durable-file.ts";
import { hostError } from "./host-error.ts";

/**
 * Replaces `file` (NAME.json) by `value`, whose text is `text`. The caller holds the lock of that file. Durable when it
 * returns; after a throw ("host") the old file is untouched.
 *
 * conf writes NAME.next.json beside it, and the whole of that file is compared before it takes the place of the old
 * one: conf's writer (atomically) renames after a single write(2) without looking at how much of it was written, so
 * that a disk that fills up in the middle would put half a file in place of a good one. It fsyncs the file but not the
 * folder, and where the environment has SNAP it writes in place. All of that may happen to NAME.next.json.
 */
export async function replaceThroughConf(
  file: string,
  value: Record<string, unknown>,
  text: string,
  mode: number,
): Promise<void> {
  const folder = dirname(file);
  const configName = `${basename(file, ".json")}.next`;
  const next = join(folder, `${configName}.json`);
  const Conf = await loadConf();
  try {
    // Conf reads what is there, and what a killed writer left may be anything
    removeLeftovers(folder, `${configName}.json`);
    const conf = new Conf({
      cwd: folder,
      configName,
      configFileMode: mode,
      accessPropertiesByDotNotation: false,
      clearInvalidConfig: false,
      serialize: () => text,
    });
    conf.store = value;
    if (readFileSync(next, "utf8") !== text) throw new EstratoError("host", `${next}: written only in part`, FULL);
    syncFile(next);
    renameSync(next, file);
  } catch (error) {
    discard(next);
    throw hostError(file, error);
  }
  syncFolder(folder);
}

const FULL = { hint: "Free some space on that file system and run the command again." };

function removeLeftovers(folder: string, next: string): void {
  for (const name of readdirSync(folder)) {
    if (name === next || name.startsWith(`${next}.tmp-`)) rmSync(join(folder, name), { force: true });
  }
}

function syncFile(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/**
 * conf is loaded by writers alone: it costs a tenth of a short command. Loading it also loads when-exit, which takes
 * every signal, and answers a Ctrl-C by sending it once more: main would count two. What it hooked is taken off again.
 */
async function loadConf(): Promise<typeof import("conf").default> {
  const before = new Map(SIGNALS.map((signal) => [signal, new Set(process.rawListeners(signal))]));
  const { default: Conf } = await import("conf");
  for (const signal of SIGNALS) {
    for (const listener of process.rawListeners(signal)) {
      if (before.get(signal)?.has(listener)) continue;
      // when-exit uses once(); whoever came meanwhile with on() stays
      if ("listener" in listener) process.removeListener(signal, listener.listener as NodeJS.SignalsListener);
    }
  }
  return Conf;
}

/** Those that when-exit 2.1 takes on Linux. */
const SIGNALS = [
  "SIGHUP",
  "SIGINT",
  "SIGTERM",
  "SIGALRM",
  "SIGABRT",
  "SIGVTALRM",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGUSR2",
  "SIGTRAP",
  "SIGSYS",
  "SIGQUIT",
  "SIGIOT",
  "SIGIO",
  "SIGPOLL",
  "SIGPWR",
  "SIGSTKFLT",
] as const;
