/** argv and streams in, exit code out; the only place where an error becomes an exit code. */
import { ChildExit } from "./errors.ts";
import type { Surroundings } from "./factory.ts";
import { commandLine, runProgram } from "./program.ts";
import { asEstratoError, EXIT_CODES, errorJson, errorLine, errorTrace } from "./ui/errors.ts";

const TERMINATED = 143;

/** Runs one line and returns its exit code. Never throws. */
export async function main(words: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    await runProgram(words, surroundings);
    return 0;
  } catch (error) {
    if (error instanceof ChildExit) return error.exit;
    const known = asEstratoError(error);
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

/** The process's own line, streams and signals. Sets the exit code, and returns when all is written. */
export async function start(): Promise<void> {
  const interruption = new AbortController();
  let terminated = false;
  const interrupt = (exit: number) => () => {
    if (interruption.signal.aborted) process.exit(exit);
    process.stderr.write("\nInterrupted: undoing or finishing what is in flight. Once more ends it at once.\n");
    terminated = exit === TERMINATED;
    interruption.abort();
  };
  process.on("SIGINT", interrupt(EXIT_CODES.interrupted));
  process.on("SIGTERM", interrupt(TERMINATED));
  process.on("uncaughtException", (error) => {
    process.stderr.write(errorLine(asEstratoError(error)));
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
  });
  await new Promise((resolve) => setImmediate(resolve)); // an error of the last write comes after it
  process.exitCode = terminated && exit === EXIT_CODES.interrupted ? TERMINATED : exit;
  const unwritten = lost as NodeJS.ErrnoException | null;
  if (unwritten !== null && exit === 0) {
    process.stderr.write(
      `estrato: standard output: cannot be written: ${unwritten.code ?? unwritten.message}. Free some space.\n`,
    );
    process.exitCode = EXIT_CODES.failed;
  }
}
