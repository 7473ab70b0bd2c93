/** What must hold of every input, whatever it is. */
import { EstratoError } from "../../../src/errors.ts";
import { EXIT_CODES, errorLine } from "../../../src/ui/errors.ts";

/** The program did with an input what it must not do. */
export class Wrong extends Error {
  override readonly name = "Wrong";
}

/** Much more than any input of these sizes needs, of the processor's time: of a busy machine's no less. */
const MOST_CPU_MS = 10_000;
/** What waits for something that does not come. Nothing here waits for more than a second. */
const MOST_MS = 120_000;

/** Does it end, and without taking more than it may? Throws what `attempt` throws. */
export async function withinBounds(attempt: () => unknown): Promise<void> {
  const before = process.cpuUsage();
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Wrong(`it has not ended after ${MOST_MS / 1000} s`)), MOST_MS);
  });
  try {
    await Promise.race([attempt(), tooLong]);
  } finally {
    clearTimeout(timer);
  }
  const { user, system } = process.cpuUsage(before);
  if (user + system > MOST_CPU_MS * 1000) throw new Wrong(`it took ${(user + system) / 1e6} s of the processor`);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;
/**
 * What was typed, or stands in a file, may be repeated on the line: no longer than either may be.
 */
const LONGEST_LINE = 16 * 1024; // a message is cut at half of it; a hint comes to it

/** One line that a terminal can show. `typed`: how many characters were typed that it may repeat. */
export function requireLine(line: string, typed = 0): void {
  if (!line.endsWith("\n")) throw new Wrong(`no whole line: ${JSON.stringify(line.slice(-200))}`);
  const text = line.slice(0, -1);
  if (UNSAFE.test(text)) throw new Wrong(`control characters in ${JSON.stringify(line.slice(0, 2000))}`);
  // JSON.stringify and printable() make up to six characters of one; a word may be named twice
  if (text.length > LONGEST_LINE + 12 * typed) throw new Wrong(`a line of ${text.length} characters`);
}

/** What `work` returns; null where it refuses in the way that it should. Throws "Wrong" for every other error. */
export async function refusing<T>(work: () => T): Promise<Awaited<T> | null> {
  try {
    return await work();
  } catch (error) {
    requireRefusal(error);
    return null;
  }
}

/** An error for people, with an exit code, on one line. */
export function requireRefusal(error: unknown): void {
  if (error instanceof Wrong) throw error;
  if (!(error instanceof EstratoError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Wrong(`a fault in estrato: ${text}`, { cause: error });
  }
  if (EXIT_CODES[error.code] === undefined) throw new Wrong(`no exit code: ${error.code}`);
  requireLine(errorLine(error));
}
