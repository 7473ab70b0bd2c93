/**
 * guestfish(1), kept and spoken to line by line. It says `libguestfs: error: …` of what fails and goes on where a `-`
 * stands before the command.
 */
import type { Command } from "../../core/model/host.ts";
import { EstratoError } from "../../errors.ts";
import type { ChildResult } from "../child.ts";
import type { KeptChild } from "../kept-child.ts";
import type { Owed } from "../patience.ts";
import { interrupted, lastWords, printable } from "../process-failure.ts";

export const GUESTFISH: Command = { program: "guestfish", args: ["--ro"] };

/** It reads lines into a buffer of 8192 bytes (fish.c), and takes the rest of a longer one for a line of its own. */
export const LONGEST_LINE = 8000;

export interface Answer {
  readonly text: string;
  /** Its complaint; null where it has done it. */
  readonly error: string | null;
}

/** What guestfish is asked with; `owed`: how long it may take. */
export type Ask = (line: string, owed: Owed) => Promise<Answer>;

/** Both streams end with a mark, since what comes on one says nothing of the other. */
export function speakWith(child: KeptChild): Ask {
  let asked = 0;
  return async (line, owed) => {
    if (line.length > LONGEST_LINE || /[^ -~]/.test(line)) {
      throw new EstratoError("usage", `${printable(line.slice(0, 80))}…: the path is too long`, {
        hint: "Name a folder above it.",
      });
    }
    if (owed.signal?.aborted) throw interrupted(GUESTFISH);
    const mark = `estrato-${asked}`;
    asked += 1;
    const [verb = ""] = line.split(" ");
    const shown = { program: GUESTFISH.program, args: [verb] };
    const isWhole = (stdout: string, stderr: string) =>
      stdout.endsWith(`${mark}\n`) && errorsBefore(mark, stderr) !== null ? 0 : null;
    // A command that it does not know leaves the mark on its standard error
    const answer = await child.ask(shown, `-${line}\n-${mark}\necho ${mark}\n`, isWhole, owed);
    const error = errorsBefore(mark, answer.stderr);
    if (answer.exit !== 0 || error === null) throw ended(answer);
    return { text: answer.stdout.slice(0, -mark.length - 1), error: saidOf(error) };
  };
}

/** What was said before the mark; null where the mark is not there yet. */
function errorsBefore(mark: string, stderr: string): string | null {
  const at = stderr.indexOf(`${mark}: unknown command`);
  if (at < 0 || !stderr.endsWith("\n")) return null;
  return stderr.slice(0, stderr.lastIndexOf("\n", at) + 1);
}

/** What it adds where it does not know a command. */
const ADVICE = /^(Did you mean to open a disk image|For a list of commands|For complete documentation)/;

/** `*stdin*:3: libguestfs: error: lstatns: /x: No such file` without what stands before it; null: nothing. */
function saidOf(stderr: string): string | null {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "" && !ADVICE.test(line));
  const words = lines.find((line) => /libguestfs: error: /.test(line)) ?? lines[0];
  return words === undefined ? null : printable(words.replace(/^.*?libguestfs: error: /, "").trim());
}

function ended({ exit, stderr }: ChildResult): EstratoError {
  const why = lastWords(stderr) ?? (exit === null ? "ended by a signal" : `exit code ${exit}`);
  return new EstratoError("failed", `guestfish: ${why}`);
}

/** One argument: what is not a plain character of ASCII is written as its bytes. */
export function quoted(argument: string | Buffer): string {
  const bytes = typeof argument === "string" ? Buffer.from(argument, "utf8") : argument;
  return `"${[...bytes].map((byte) => (PLAIN.test(String.fromCharCode(byte)) ? String.fromCharCode(byte) : hex(byte))).join("")}"`;
}

const PLAIN = /^[A-Za-z0-9 _.,:=@%+/-]$/;

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, "0")}`;
}

/** Can it stand in a list? There `\'` is a quote, and nothing else is escaped. */
export function fitsInList(name: Buffer): boolean {
  return !name.includes(0x27) && !name.includes(0x5c);
}

/** A list as one argument; each must fit in a list. */
export function quotedList(names: readonly Buffer[]): string {
  const quote = Buffer.from("'");
  const words = names.map((name) => Buffer.concat([quote, name, quote]));
  return quotedPlain(Buffer.concat(words.flatMap((word, index) => (index === 0 ? [word] : [Buffer.from(" "), word]))));
}

/** The quotes of a list must be seen as such: they are written as they are. */
function quotedPlain(bytes: Buffer): string {
  return quoted(bytes).replaceAll("\\x27", "'");
}
