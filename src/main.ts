/** argv and streams in, exit code out; the only place where an error becomes an exit code. */
import { ChildExit } from "./errors.ts";
import type { Surroundings } from "./factory.ts";
import { endLivingChildren } from "./living-children.ts";
import { commandLine, runProgram } from "./program.ts";
import { toldError } from "./told-error.ts";
import { asEstratoError, EXIT_CODES, errorJson, errorLine, errorTrace } from "./ui/errors.ts";

const TERMINATED = 143;

/** Runs one line and returns its exit code. Never throws. */
export async function main(words: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    await runProgram(words, surroundings);
    return 0;
  } catch (error) {
    if (error instanceof ChildExit) return error.exit;
    const known = toldError(error, commandLine(words), surroundings.env);
    const exit = EXIT_CODES[known.code];
    const { stderr } = surroundings.streams;
    if (words.includes("--trace")) stderr.write(errorTrace(known));
    stderr.write(wantsJson(words) ? errorJson(known, commandLine(words), exit) : errorLine(known));
    return exit;
  }
}

/** Does the line ask for json? Looked at here too, since an error may be that the line cannot be read. */
function wantsJson(words: readonly string[]): boolean {
  return words.some((word, at) => {
    if (word === "--") return false;
    if (/^(-f|--format=|--output=)json$/.test(word)) return true;
    return /^(-f|--format|--output)$/.test(word) && words[at + 1] === "json";
  });
}

/** Undoing, or finishing what cannot be cut, has this long; what only reads is ended at once. */
const UNDO_MS = 30_000;
const READ_MS = 3_000;

/**
 * What SIGINT and SIGTERM do: the first ends the command, which undoes what it can and ends in any case when the time
 * for that is over; the second ends it now. As after a kill, what was in flight is in the journal then, and no child of
 * ours goes on.
 */
function endOnSignals(interruption: AbortController) {
  let changes = false;
  let first: NodeJS.Signals | null = null;
  const endNow = async (signal: NodeJS.Signals) => {
    if (changes)
      process.stderr.write('Ended as it is: the next command, or "estrato doctor --repair", puts it right.\n');
    await endLivingChildren();
    // exit(3) would wait for a thread that waits for a file system; and who waits for us sees what ended us.
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      if (first !== null) return void endNow(signal);
      first = signal;
      if (changes) {
        const how = "Interrupted: undoing or finishing what is in flight. Once more ends it at once.";
        process.stderr.write(`\n${how}\n`);
      }
      setTimeout(() => void endNow(signal), changes ? UNDO_MS : READ_MS).unref();
      interruption.abort();
    });
  }
  return {
    willChange: (does: boolean): void => {
      changes = does;
    },
    isTerminated: (): boolean => first === "SIGTERM",
  };
}

/** The process's own line, streams and signals. Sets the exit code, and returns when all is written. */
export async function start(): Promise<void> {
  const interruption = new AbortController();
  const ending = endOnSignals(interruption);
  process.on("uncaughtException", (error) => {
    process.stderr.write(errorLine(toldError(error, commandLine(process.argv.slice(2)), process.env)));
    if (process.argv.includes("--trace")) process.stderr.write(errorTrace(asEstratoError(error)));
    process.exit(EXIT_CODES.failed);
  });
  let lost: NodeJS.ErrnoException | null = null;
  // A closed pipe is no error: nobody reads on, and what is being done is finished.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") lost = error;
  });
  process.stderr.on("error", () => {});
  const exit = await main(process.argv.slice(2), {
    streams: process,
    env: process.env,
    uid: process.getuid?.() ?? 0,
    program: { node: process.execPath, path: process.argv[1] ?? "" },
    signal: interruption.signal,
    willChange: ending.willChange,
  });
  await new Promise((resolve) => setImmediate(resolve)); // an error of the last write comes after it
  process.exitCode = ending.isTerminated() && exit === EXIT_CODES.interrupted ? TERMINATED : exit;
  const unwritten = lost as NodeJS.ErrnoException | null;
  if (unwritten !== null && exit === 0) {
    process.stderr.write(
      `estrato: standard output: cannot be written: ${unwritten.code ?? unwritten.message}. Free some space.\n`,
    );
    process.exitCode = EXIT_CODES.failed;
  }
}
