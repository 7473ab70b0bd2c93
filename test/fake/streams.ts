/** The test twin of the three streams: what is written is kept, and each may claim to be a terminal. */
import { PassThrough, Writable } from "node:stream";
import type { Streams } from "../../src/ui/streams.ts";

class Kept extends Writable {
  text = "";
  readonly isTTY: boolean;
  readonly columns = 80;

  constructor(isTTY: boolean) {
    super({ decodeStrings: false });
    this.isTTY = isTTY;
  }

  override _write(chunk: string | Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    done();
  }
}

export interface FakeStreams extends Streams {
  readonly stdout: Kept;
  readonly stderr: Kept;
  readonly stdin: PassThrough & { isTTY?: boolean };
}

/** `terminal`: all three are one. `input` is what stdin holds. */
export function fakeStreams({ terminal = false, input = "" } = {}): FakeStreams {
  const stdin: FakeStreams["stdin"] = new PassThrough();
  stdin.isTTY = terminal;
  if (!terminal) stdin.end(input);
  return { stdin, stdout: new Kept(terminal), stderr: new Kept(terminal) };
}
