/** The three streams, handed in so that tests hand in their own, and what the terminal behind them is. */
import type { Readable, Writable } from "node:stream";

/** process.stdin, process.stdout and process.stderr, or their twins in test/fake/streams.ts. */
export interface Streams {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable & { readonly isTTY?: boolean; readonly columns?: number };
  readonly stderr: Writable & { readonly isTTY?: boolean; readonly columns?: number };
}

export interface Terminal {
  /** Does a person read stdout? */
  readonly stdout: boolean;
  /** Does a person read stderr, on a terminal that can move its cursor? */
  readonly movingStderr: boolean;
  readonly stderr: boolean;
  /** Can a person be asked: is there one at stdin to answer, and at stderr to read the question? */
  readonly canAsk: boolean;
  /** Null: as wide as it gets. */
  readonly columns: number | null;
}

const DEFAULT_COLUMNS = 80;

/** COLUMNS wins over what the terminal says of itself. */
export function terminalOf(streams: Streams, env: Readonly<Record<string, string | undefined>>): Terminal {
  const stdout = streams.stdout.isTTY === true;
  const stderr = streams.stderr.isTTY === true;
  const named = /^[1-9]\d{0,4}$/.test(env.COLUMNS ?? "") ? Number(env.COLUMNS) : null;
  return {
    stdout,
    stderr,
    movingStderr: stderr && env.TERM !== "dumb",
    // process.stdin is made when it is first looked at, which most commands never do
    get canAsk() {
      return stderr && streams.stdin.isTTY === true;
    },
    columns: named ?? (stdout ? streams.stdout.columns || DEFAULT_COLUMNS : null),
  };
}

/** False: nobody reads on. Resolves when it has been taken. */
export function writeOut(stream: Writable, bytes: Buffer | string): Promise<boolean> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve(false);
    else if (bytes.length === 0) resolve(true);
    else stream.write(bytes, (error) => resolve(error === null || error === undefined));
  });
}
