/** What a program asks of the kernel so that its files outlive a power cut, by strace(1). */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";

const CALLS = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat";

/** A file below `home` was given its name, or lost it; what was synced before and after that. */
export interface Change {
  readonly path: string;
  readonly kind: "replaced" | "removed";
  /** Was its content on the disk when it got its name? */
  readonly content: boolean;
  /** Was the change of the name there before the next was begun, or the program ended? */
  readonly name: boolean;
}

/**
 * Runs a program to its end and gives each change of a file below `home`. Throws where strace is not installed, or the
 * program fails.
 */
export function changesBelow(home: string, program: readonly string[], env: NodeJS.ProcessEnv): Change[] {
  return changes(traced(program, env), home);
}

/** The folders and files that it syncs, in their order. Throws as changesBelow. */
export function syncedBy(program: readonly string[], env: NodeJS.ProcessEnv): string[] {
  return traced(program, env).flatMap((line) => /f(?:data)?sync\(\d+<([^>]*)>\) += 0$/.exec(line)?.[1] ?? []);
}

function traced(program: readonly string[], env: NodeJS.ProcessEnv): string[] {
  const folder = mkdtempSync(join(tmpdir(), "estrato-strace-"));
  const log = join(folder, "log");
  try {
    const ran = spawnSync("strace", ["-f", "-y", "-s", "512", "-e", `trace=${CALLS}`, "-o", log, ...program], {
      env,
      encoding: "utf8",
    });
    if (ran.error !== undefined) throw new Error("strace: not installed: apt-get install strace", { cause: ran.error });
    if (ran.status !== 0) throw new Error(`${program.join(" ")}: exit ${ran.status}: ${ran.stderr}`);
    return readFileSync(log, "utf8").split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Calls of one thread each that succeeded; node's main thread makes all of ours, so that none is cut in two. */
function changes(lines: readonly string[], home: string): Change[] {
  const done = lines.filter((line) => / = 0$/.test(line));
  const synced = done.map((line) => /f(?:data)?sync\(\d+<([^>]*)>\)/.exec(line)?.[1] ?? null);
  const isSynced = (path: string, from: number, to: number) => synced.slice(from, to).includes(path);
  const ends = done.flatMap((_, index) => (synced[index] === null ? [index] : []));
  return done.flatMap((line, index): Change[] => {
    const [from = "", to] = [...line.matchAll(/"([^"]*)"/g)].map(([, path]) => path ?? "");
    const path = to ?? from;
    if (!path.startsWith(home) || synced[index] !== null) return [];
    const kind = to === undefined ? "removed" : "replaced";
    return [
      {
        path: join(dirname(path).slice(home.length + 1), basename(path)),
        kind,
        content: kind === "removed" || isSynced(from, 0, index),
        name: isSynced(dirname(path), index + 1, ends.find((end) => end > index) ?? done.length),
      },
    ];
  });
}
