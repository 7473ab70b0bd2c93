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
    const isJson = await wantsJson(words, surroundings);
    stderr.write(isJson ? errorJson(known, commandLine(words), exit) : errorLine(known));
    return exit;
  }
}

/**
 * Does the line ask for json, or, where it names no format, the setting? Looked at here too, since an error may be that
 * the line, or the settings, cannot be read.
 */
async function wantsJson(words: readonly string[], { env, uid, twins }: Surroundings): Promise<boolean> {
  const options = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
  const named = options.flatMap((word, at) => {
    // `-qf json` is `-q -f json`, and `-qfjson` too: -f ends what may stand together.
    const [, joined] = /^(?:-[ynqv]*f|--format=|--output=)(.+)$/.exec(word) ?? [];
    if (joined !== undefined) return [joined];
    return /^(-[ynqv]*f|--format|--output)$/.test(word) ? (options[at + 1] ?? []) : [];
  });
  if (named.length > 0) return named.includes("json");
  try {
    const { openSettings } = await import("./storage.ts");
    const systemFolder = twins?.systemFolder;
    const settings = openSettings({ env, uid, flags: {}, ...(systemFolder === undefined ? {} : { systemFolder }) });
    return settings.get("format").value === "json";
  } catch {
    return false;
  }
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
  // Ctrl-D at a question closes what the answer would come from: Node has nothing to wait for then, and ends in main.
  process.exitCode = EXIT_CODES.interrupted;
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
