/** The test twin of the three streams: what is written is kept, and each may claim to be a terminal. */
import { PassThrough, Writable } from "node:stream";
import type { Streams } from "../../src/ui/streams.ts";

class Kept extends Writable {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 80;

  #taken: number;

  constructor(isTTY: boolean, taken = Number.POSITIVE_INFINITY) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
    this.#taken = taken;
    this.on("error", () => {}); // as main.ts does
  }

  override _write(chunk: string | Buffer, _encoding: string, done: (error?: Error) => void): void {
    const isRead = this.#taken > 0;
    this.#taken -= 1;
    if (isRead) this.text += chunk.toString();
    done(isRead ? undefined : Object.assign(new Error("write EPIPE"), { code: "EPIPE" }));
  }
}

export interface FakeStreams extends Streams {
  readonly stdout: Kept;
  readonly stderr: Kept;
  readonly stdin: PassThrough & { isTTY?: boolean };
}

/** `terminal`: all three are one. `input` is what stdin holds. `taken`: after so many writes nobody reads stdout. */
export function fakeStreams({ terminal = false, input = "", taken = Number.POSITIVE_INFINITY } = {}): FakeStreams {
  const stdin: FakeStreams["stdin"] = new PassThrough();
  stdin.isTTY = terminal;
  if (!terminal) stdin.end(input);
  return { stdin, stdout: new Kept(terminal, taken), stderr: new Kept(terminal) };
}
