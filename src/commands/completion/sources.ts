/** Where a shell's completion gets its words from, for a moment at most: somebody has pressed a key and waits. */
import { Writable } from "node:stream";
import { createFactory, type Factory } from "../../factory.ts";
import type { Globals } from "../../globals.ts";
import { runVerb } from "../framework/run.ts";
import type { Catalogue, Verb } from "../framework/tree.ts";

const PATIENCE_MS = 2_000;

export interface Sources extends Pick<Factory, "store" | "settings" | "host" | "close"> {
  /** What a verb that lists would print for these words, as JSON; [] where it would fail. */
  rows(name: string, verb: Verb, words: readonly string[]): Promise<Record<string, unknown>[]>;
}

/** For a line in which `--store` and `--connect` may stand. */
export function sourcesOf(outer: Factory, catalogue: Catalogue, words: readonly string[]): Sources {
  const signal = AbortSignal.any([outer.signal, AbortSignal.timeout(PATIENCE_MS)]);
  const store = valueBehind(words, "--store");
  const connect = valueBehind(words, "--connect");
  const surroundings = { ...outer.surroundings, signal };
  const globals: Globals = { ...outer.globals, store, connect, quiet: true, noInput: true };
  const factory = createFactory(surroundings, {
    globals,
    command: outer.command,
    withoutSettings: true,
    changes: false,
    withoutStore: true,
    needsStore: false,
  });
  return {
    store: factory.store,
    settings: factory.settings,
    host: factory.host,
    close: factory.close,
    async rows(name, verb, given) {
      if (verb.changes) return [];
      const stdout = new Kept();
      const streams = { ...outer.streams, stdin: outer.streams.stdin, stdout, stderr: new Kept() };
      const line = [
        ...given,
        ...said("--store", store),
        ...said("--connect", connect),
        "-f",
        "json",
        "-q",
        "--no-input",
      ];
      try {
        await runVerb(name, verb, line, outer.command, { ...surroundings, streams }, catalogue);
        const found: unknown = JSON.parse(stdout.text);
        return Array.isArray(found) ? found : [];
      } catch {
        return [];
      }
    },
  };
}

/** `--store DIR` or `--store=DIR`, the last of them. */
function valueBehind(words: readonly string[], flag: string): string | null {
  const found = words.flatMap((word, index) => {
    if (word.startsWith(`${flag}=`)) return [word.slice(flag.length + 1)];
    return word === flag && index + 1 < words.length - 1 ? [words[index + 1] ?? ""] : [];
  });
  return found.at(-1) ?? null;
}

function said(flag: string, value: string | null): string[] {
  return value === null ? [] : [flag, value];
}

class Kept extends Writable {
  text = "";

  override _write(chunk: unknown, _encoding: string, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}
