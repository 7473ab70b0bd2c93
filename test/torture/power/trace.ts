/** What processes did to files, in order, as strace(1) wrote it down. */

/** The calls that change files or put them on the disk. */
const CALLS = [
  ...["open", "openat", "creat", "write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile"],
  ...["ftruncate", "truncate", "fallocate", "rename", "renameat", "renameat2", "link", "linkat", "unlink", "unlinkat"],
  ...["mkdir", "mkdirat", "rmdir", "symlink", "symlinkat", "fsync", "fdatasync", "sync", "syncfs", "sync_file_range"],
];
const LONGEST_WRITE = 64 * 1024 ** 2;

const traced = (log: string): string[] => [
  ...["strace", "-f", "-ttt", "-qq", "-y", "-xx", "-s", `${LONGEST_WRITE}`, "-o", log],
  ...["-e", `trace=${CALLS.join(",")}`, "-e", "signal=none"],
];

/** In front of a line: all that it and its children do goes to `log`. */
export const tracedBy = (log: string): string[] => [...traced(log), "--seccomp-bpf"];

/** The same of processes that are at work, until it is told to end. */
export const tracedAt = (log: string, processes: readonly number[]): string[] => [
  ...traced(log),
  ...processes.flatMap((process) => ["-p", `${process}`]),
];

/** One that succeeded. */
export interface Call {
  /** When it ended or, if nothing came between, began: seconds, as of the clock. */
  readonly at: number;
  readonly name: string;
  /** As strace wrote them. */
  readonly args: readonly string[];
  /** What it returned: the number, and the path of a descriptor. */
  readonly result: number;
  readonly opened: string | null;
}

/** Of all logs, in the order in which they ended. */
export const callsIn = (logs: readonly string[]): Call[] => logs.flatMap(callsOf).sort((a, b) => a.at - b.at);

function callsOf(log: string): Call[] {
  const begun = new Map<string, string>();
  return log.split("\n").flatMap((line) => {
    const [, process = "", at = "", text = ""] = /^(\d+) +(\d+\.\d+) (.*)$/.exec(line) ?? [];
    if (text.endsWith("<unfinished ...>")) {
      begun.set(process, text.slice(0, -"<unfinished ...>".length).trimEnd());
      return [];
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(text);
    return callOf(Number(at), resumed === null ? text : `${begun.get(process) ?? ""}${resumed[1]}`);
  });
}

function callOf(at: number, text: string): Call[] {
  const parts = /^(\w+)\((.*)\) += (\d+)(?:<([^>]*)>)?/.exec(text);
  if (parts === null) return [];
  const [, name = "", args = "", result, opened] = parts;
  return [
    { at, name, args: parted(args), result: Number(result), opened: opened === undefined ? null : pathIn(opened) },
  ];
}

/** At the commas that stand in no brackets and no quotes; strace escapes every character of a string. */
function parted(args: string): string[] {
  const found: string[] = [];
  let depth = 0;
  let quoted = false;
  let from = 0;
  for (let at = 0; at < args.length; at += 1) {
    const char = args[at] as string;
    if (char === '"') quoted = !quoted;
    else if (quoted) continue;
    else if ("[{<(".includes(char)) depth += 1;
    else if ("]})>".includes(char) && !(char === ">" && args[at - 1] === "=")) depth -= 1;
    else if (char === "," && depth === 0) {
      found.push(args.slice(from, at).trim());
      from = at + 1;
    }
  }
  return [...found, args.slice(from).trim()];
}

/** Of a string in quotes, or several, as an array of pieces has. */
export function bytesOf(arg: string): Buffer {
  return Buffer.concat([...arg.matchAll(/"([^"]*)"/g)].map(([, hex]) => Buffer.from(hexOf(hex ?? ""), "hex")));
}

const hexOf = (escaped: string): string => escaped.replaceAll("\\x", "");

/** Of a descriptor; null where it is no file that has a name. */
export function pathOf(arg: string): string | null {
  const hex = /^(?:\d+|AT_FDCWD)<([^>]*)>/.exec(arg)?.[1];
  return hex === undefined ? null : pathIn(hex);
}

function pathIn(hex: string): string | null {
  const path = Buffer.from(hexOf(hex), "hex").toString();
  return path.startsWith("/") ? path : null;
}
