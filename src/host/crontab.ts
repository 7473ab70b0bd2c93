/**
 * The crontab that our lines stand in: /etc/cron.d/estrato for root, else the user's own through crontab(1). Each of
 * our lines ends in a mark; no other line is ever touched. Sources: crontab(5) and crontab(1) of Debian's cron.
 */
import { dirname } from "node:path";
import type { Action } from "../core/model/action.ts";
import type { Command, CronEntry, Crontab } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { readOutside } from "../outside-file.ts";
import { removeFile } from "./files.ts";
import { writeWhole } from "./folders.ts";
import type { Processes } from "./process.ts";
import { failure } from "./process-failure.ts";

const SYSTEM_FILE = "/etc/cron.d/estrato";
/** Debian's cron passes over a command of 1,000 bytes, without a word to whoever wrote it. */
const LONGEST_LINE_BYTES = 990;
const LIST: Command = { program: "crontab", args: ["-l"] };
const INSTALL: Command = { program: "crontab", args: ["-"] };

/**
 * The line of an entry. A system file names the user whom it runs as. Throws "host" where something in it cannot stand
 * in a crontab.
 */
export function cronLine(isSystem: boolean, { when, environment, command, mark }: CronEntry): string {
  const set = Object.entries(environment).map(([name, value]) => `${name}=${quoted(value)}`);
  const words = [...set, ...[command.program, ...command.args].map(quoted)].join(" ");
  // cron turns a bare % into a line break, in quotes or not, before any shell sees it.
  const line = [when, ...(isSystem ? ["root"] : []), words.replaceAll("%", "\\%"), `# ${mark}`].join(" ");
  const lengthBytes = Buffer.byteLength(line);
  if (lengthBytes <= LONGEST_LINE_BYTES) return line;
  throw new EstratoError(
    "host",
    `crontab: the line would have ${lengthBytes} bytes, and cron takes ${LONGEST_LINE_BYTES}`,
    {
      hint: "Use a store, and install estrato, where the path is shorter.",
    },
  );
}

/** One word for sh. Without a backslash: cron reads those in a way of its own. */
function quoted(word: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a line must not hold
  if (/[\u0000-\u001f\u007f\\]/.test(word)) {
    throw new EstratoError("host", `crontab: ${JSON.stringify(word)}: it cannot stand in a line of cron`, {
      hint: "Use a path without backslashes and control characters.",
    });
  }
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`;
}

/**
 * What is there now. Throws "host" where there is no crontab(1): for root too, since a folder /etc/cron.d alone runs
 * nothing.
 */
export async function readCrontab(processes: Processes, uid: number): Promise<Crontab> {
  if (uid !== 0) return { file: null, text: textOf(await readOwn(processes)) };
  await processes.run(LIST);
  return { file: SYSTEM_FILE, text: textOf(await readSystem(SYSTEM_FILE)) };
}

/** What others have written is in an encoding of theirs: it is read, and written again, as bytes, a character each. */
const bytesOf = (text: string): string => Buffer.from(text, "utf8").toString("latin1");
const textOf = (bytes: string): string => Buffer.from(bytes, "latin1").toString("utf8");

async function readOwn(processes: Processes): Promise<string> {
  const listed = await processes.run(LIST, { encoding: "latin1" });
  if (listed.exit === 0) return listed.stdout;
  if (/no crontab for/.test(listed.stderr)) return "";
  throw failure(LIST, listed);
}

const LARGEST_BYTES = 16 * 1024 ** 2;

async function readSystem(file: string): Promise<string> {
  try {
    return (await readOutside(file, { maxBytes: LARGEST_BYTES })).toString("latin1");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "";
    throw error;
  }
}

/** `text` with these lines in the place of all that end in `mark`; every other line as it was. Pure. */
export function withLines(text: string, mark: string, lines: readonly string[]): string {
  const others = text.split("\n").filter((line) => !line.endsWith(`# ${mark}`));
  if (others.at(-1) === "") others.pop();
  return [...others, ...lines].map((line) => `${line}\n`).join("");
}

export function crontabCommands({ file }: Extract<Action, { do: "set-crontab" }>): Command[] {
  return file === null ? [LIST, INSTALL] : [{ program: "install", args: ["-m", "644", "/dev/stdin", file] }];
}

/** Writes only where something changes. A file of the system that holds nothing any more is removed. */
export async function setCrontab(
  processes: Processes,
  { file, mark, lines }: Extract<Action, { do: "set-crontab" }>,
  inheritFds: readonly number[],
): Promise<void> {
  const before = file === null ? await readOwn(processes) : await readSystem(file);
  const next = withLines(before, mark, lines.map(bytesOf));
  if (next === before) return;
  if (file === null) await processes.output(INSTALL, { input: next, encoding: "latin1", inheritFds });
  else if (next === "") await removeFile(file);
  else await replaceSystem(file, next);
}

/** cron passes over a name with a dot in it, so it never reads half a file. */
async function replaceSystem(file: string, bytes: string): Promise<void> {
  try {
    await writeWhole(file, Buffer.from(bytes, "latin1"), 0o644);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    throw new EstratoError("host", `${dirname(file)}: there is no such folder`, {
      hint: "Install the Debian package cron.",
      cause: error,
    });
  }
}
