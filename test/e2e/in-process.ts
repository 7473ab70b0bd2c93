/**
 * Lines of the built program, run in this process: Node and the program are loaded once, not for each of thousands. All
 * else is as from a shell; a line that is to be killed has a process of its own.
 */
import { resolve } from "node:path";
import { fakeStreams } from "../fake/streams.ts";
import type { Ran } from "./processes.ts";

const program = resolve(import.meta.dirname, "../../bin/estrato");
/** Not there before the build: loaded with the first line. */
const built = resolve(import.meta.dirname, "../../dist/main.js");

export async function runInProcess(args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ran> {
  const { main } = (await import(built)) as typeof import("../../src/main.ts");
  const streams = fakeStreams();
  const code = await main(args, {
    streams,
    env: { ...process.env, ...env },
    uid: process.getuid?.() ?? 0,
    program: { node: process.execPath, path: program },
    signal: new AbortController().signal,
  });
  return { code, signal: null, stdout: streams.stdout.text, stderr: streams.stderr.text };
}
