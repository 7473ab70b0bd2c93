/** virsh: one line may carry many commands, whose answers are told apart by markers. */
import type { Command } from "../core/model/host.ts";
import { EstratoError, NoAnswer } from "../errors.ts";
import { randomDigits } from "../random.ts";
import type { ChildResult, RunOptions } from "./child.ts";
import { keepVirsh, MAX_LINE_CHARACTERS } from "./kept-virsh.ts";
import type { LibvirtFolders } from "./libvirt-folders.ts";
import type { Processes } from "./process.ts";
import { failure, lastWords } from "./process-failure.ts";

/** The answer to one command of a batch. */
export interface VirshAnswer {
  readonly text: string;
  /** virsh's last line of complaint; null where the command went well. */
  readonly error: string | null;
}

/** Whatever is asked with `inheritFds` changes something, and is never repeated. */
export interface Virsh {
  readonly uri: string;
  readonly folders: LibvirtFolders;
  /** One command as a person would type it. */
  command(...args: readonly string[]): Command;
  /** Runs one command; "failed" with virsh's words where it fails. Returns its output. */
  output(args: readonly string[], options?: RunOptions): Promise<string>;
  /** Runs one command and reports the exit code as it is. */
  run(args: readonly string[], options?: RunOptions): Promise<ChildResult>;
  /**
   * Runs many commands at once, as far as their length allows; each has its own answer, in order. "failed" or "host"
   * where virsh itself cannot work.
   */
  batch(commands: readonly (readonly string[])[], options?: RunOptions): Promise<VirshAnswer[]>;
  /**
   * One command that reaches virsh by its standard input alone: nothing of it is in any process's arguments, and it may
   * be of any length. ASCII without control characters. A trace shows the `shown` words.
   */
  unseen(
    args: readonly string[],
    options: Pick<RunOptions, "extraMs"> & { readonly shown: readonly string[] },
  ): Promise<ChildResult>;
  /** Starts a virsh that holds these locks, for who is about to need it. */
  prepare(options: RunOptions): void;
  /** Ends every virsh that is kept with these locks, so that who releases them sets them free. */
  letGo(fds: readonly number[]): Promise<void>;
  /** Tells every virsh that is kept to end. */
  close(): void;
}

/** One argument of a process may hold 128 KiB (Linux, MAX_ARG_STRLEN): nothing else bounds a batch. */
const BATCH_LENGTH_BYTES = 120_000;
const MARKER_BYTES = 90;

export function createVirsh(processes: Processes, uri: string, folders: LibvirtFolders): Virsh {
  const command = (...args: readonly string[]): Command => ({ program: "virsh", args: ["-q", "-c", uri, ...args] });
  const kept = keepVirsh(processes, command(), uri);
  const silence = rememberSilence(async () => {
    await processes.run(command("hostname"), { as: "own", timeoutMs: SIGN_OF_LIFE_MS });
  });

  const virsh: Virsh = {
    uri,
    folders,
    command,
    async output(args, options) {
      const result = await virsh.run(args, options);
      if (result.exit !== 0) throw failure(command(...args), result);
      return result.stdout;
    },
    async run(args, options = {}) {
      return silence.minding([args], async () => {
        const nonce = newNonce();
        const result = await kept.ask(command(...args), keptLines([args], nonce, options), keptExit(nonce, 1), options);
        return result === null ? processes.run(command(...args), options) : onlyAnswer(result, nonce);
      });
    },
    async batch(commands, options = {}) {
      const answers: VirshAnswer[] = [];
      for (const chunk of chunksOf(commands)) {
        const nonce = newNonce();
        const shownAs = command(chunk.map((args) => args.map(quoteArgument).join(" ")).join("; "));
        const result = await silence.minding(
          chunk,
          async () =>
            (await kept.ask(shownAs, keptLines(chunk, nonce, options), keptExit(nonce, chunk.length), options)) ??
            (await processes.run(command(batchText(chunk, nonce)), options)),
        );
        const parsed = parseBatch(result, nonce, chunk.length);
        if (parsed === null) throw failure(command(...(chunk[0] ?? [])), result);
        answers.push(...parsed);
      }
      return answers;
    },
    async unseen(args, { shown, ...options }) {
      return silence.minding([args], async () => {
        const nonce = newNonce();
        const lines = keptLines([args], nonce, { inheritFds: [] }); // one, and that of the end
        const result = await kept.askUnseen(command(...shown), lines, keptExit(nonce, 1), options);
        return onlyAnswer(result, nonce);
      });
    },
    prepare: ({ inheritFds }) => kept.prepare(inheritFds ?? []),
    letGo: kept.letGo,
    close: kept.close,
  };
  return virsh;
}

const SIGN_OF_LIFE_MS = 3_000;

interface Silence {
  /** Throws at once where libvirt, or the domain that is meant, has not answered before. */
  minding<T>(commands: readonly (readonly string[])[], ask: () => Promise<T>): Promise<T>;
}

/**
 * A command asks many questions: who has not answered one of them is asked no more, or each would be waited for. One
 * guest that stands still is no silence of libvirt's: `signOfLife` asks for that, and throws where there is none.
 */
function rememberSilence(signOfLife: () => Promise<void>): Silence {
  let all: NoAnswer | null = null;
  const domains = new Map<string, NoAnswer>();
  const domainsOf = (commands: readonly (readonly string[])[]) =>
    new Set(commands.map((words) => words[words.indexOf("--domain") + 1 || words.length] ?? ""));
  return {
    async minding(commands, ask) {
      const [domain = "", ...others] = domainsOf(commands);
      const known = all ?? domains.get(domain);
      if (known !== null && known !== undefined) throw known;
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        if (domain === "" || others.length > 0) all = error;
        else {
          domains.set(domain, error);
          await signOfLife().catch(() => {
            all = error;
          });
        }
        throw error;
      }
    },
  };
}

const newNonce = () => randomDigits(12);

/**
 * The text of a batch. Measured on 9.0 and 11.3: a command that fails does not end the batch, its complaint goes to
 * stderr, and the exit code is the last command's alone. A marker before each command, on both streams, says whose
 * words are whose; the nonce keeps a guest's XML from imitating one, and a kept virsh, which repeats what it reads,
 * too.
 */
export function batchText(commands: readonly (readonly string[])[], nonce: string): string {
  const parts = commands.map((args, index) => `${marker(nonce, index)}; ${args.map(quoteArgument).join(" ")}`);
  return `${parts.join("; ")}; ${marker(nonce, commands.length)}`;
}

const marker = (nonce: string, index: number) => `echo @@''${nonce} ${index}@; echo --err @@''${nonce} ${index}@`;

/**
 * What a kept virsh reads: changes in one line, so that all of them are begun or none; questions in lines that are no
 * longer than it may be given. It repeats each line that it reads, so the end of one has a marker, as if what it says
 * then were a command's answer. A line that it does not understand has no markers at all, so the end of all has a line
 * of its own.
 */
function keptLines(commands: readonly (readonly string[])[], nonce: string, { inheritFds }: RunOptions): string[] {
  const most = inheritFds === undefined ? MAX_LINE_CHARACTERS : Number.POSITIVE_INFINITY;
  const between = marker(nonce, commands.length + 2);
  const lines: string[] = [];
  let line = "";
  for (const [index, args] of commands.entries()) {
    const part = `${marker(nonce, index)}; ${args.map(quoteArgument).join(" ")}; `;
    if (line !== "" && line.length + part.length + between.length > most) {
      lines.push(line + between);
      line = "";
    }
    line += part;
  }
  return [...lines, line + marker(nonce, commands.length), marker(nonce, commands.length + 1)];
}

/** The exit code that a process of its own would have; null before the end. */
function keptExit(nonce: string, count: number): (stdout: string, stderr: string) => number | null {
  return (stdout, stderr) => {
    const end = `@@${nonce} ${count + 1}@`;
    // stderr first: it is short, and to look through megabytes after each piece of them would take a square of time.
    if (!stderr.includes(`${end}\n`) || !stdout.includes(end)) return null;
    return sections(stdout, nonce).has(count) && !isComplaint(sections(stderr, nonce).get(count - 1)) ? 0 : 1;
  };
}

/** The one answer that a kept virsh gave, as a process of its own would have given it. */
function onlyAnswer({ exit, stdout, stderr }: ChildResult, nonce: string): ChildResult {
  return {
    exit,
    stdout: sections(stdout, nonce).get(0) ?? "",
    stderr: sections(stderr, nonce).get(0) ?? stderr,
  };
}

/**
 * Splits what a batch said. Null where one of its commands was not reached (no connection, or a command unknown to this
 * virsh).
 */
export function parseBatch(
  result: { readonly stdout: string; readonly stderr: string },
  nonce: string,
  count: number,
): VirshAnswer[] | null {
  const stdout = sections(result.stdout, nonce);
  for (let index = 0; index <= count; index += 1) if (!stdout.has(index)) return null;
  const stderr = sections(result.stderr, nonce);
  return Array.from({ length: count }, (_, index) => {
    const complaint = stderr.get(index) ?? "";
    return {
      text: stdout.get(index) ?? "",
      error: isComplaint(complaint) ? (lastWords(complaint) ?? "failed") : null,
    };
  });
}

/** A connection that was lost before and is there again is nothing to complain of. */
const RECONNECTED = /(?:^error: Disconnected from .*\n)?^error: Reconnected to .*\n/gm;

function isComplaint(stderr = ""): boolean {
  return /^error:/m.test(stderr.replace(RECONNECTED, ""));
}

function sections(text: string, nonce: string): Map<number, string> {
  const found = new Map<number, string>();
  const marks = [...text.matchAll(new RegExp(`(?:error: )?@@${nonce} (\\d+)@`, "g"))];
  marks.forEach((mark, index) => {
    found.set(Number(mark[1]), text.slice(mark.index + mark[0].length, marks[index + 1]?.index ?? text.length));
  });
  return found;
}

/**
 * Quotes an argument for virsh's own parser: inside single quotes nothing is special (measured: `;`, `\`, `"` and
 * newlines; but virsh reads its standard input by lines, and knows no quotes beyond one).
 */
export function quoteArgument(argument: string): string {
  if (argument.includes("\0")) throw new EstratoError("usage", "a NUL character cannot be passed to virsh");
  if (/^[A-Za-z0-9_/.:=-]+$/.test(argument)) return argument;
  return `'${argument.replaceAll("'", `'\\''`)}'`;
}

function* chunksOf(commands: readonly (readonly string[])[]): Generator<(readonly string[])[]> {
  let chunk: (readonly string[])[] = [];
  let length = 0;
  for (const args of commands) {
    const cost = MARKER_BYTES + args.reduce((sum, each) => sum + Buffer.byteLength(quoteArgument(each)) + 1, 0);
    if (length + cost > BATCH_LENGTH_BYTES && chunk.length > 0) {
      yield chunk;
      chunk = [];
      length = 0;
    }
    chunk.push(args);
    length += cost;
  }
  if (chunk.length > 0) yield chunk;
}

/** The text of an answer; "failed" with virsh's complaint where there is none. */
export function textOf(answer: VirshAnswer | undefined): string {
  if (answer === undefined) throw new EstratoError("failed", "virsh: an answer is missing");
  if (answer.error !== null) throw new EstratoError("failed", `virsh: ${answer.error}`);
  return answer.text;
}

/** Does this complaint say that there is no such domain? */
export function isNoSuchDomain(error: string): boolean {
  return /failed to get domain|Domain not found|no domain with matching/i.test(error);
}

/** The words that ask QEMU for its drives; the answer is read in qemu-disks.ts. */
export function queryBlock(domain: string): string[] {
  return ["qemu-monitor-command", "--domain", domain, '{"execute":"query-block"}'];
}
