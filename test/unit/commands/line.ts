/** Runs a line of the program in this process, with streams and twins handed in. */
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock, HostPort, Ids, StorePort } from "../../../src/core/ports.ts";
import { main } from "../../../src/main.ts";
import type { Machine } from "../../../src/system.ts";
import type { Prompts } from "../../../src/ui/prompts.ts";
import { fakeClock, fakeIds } from "../../fake/clock.ts";
import { fakeStore } from "../../fake/store.ts";
import { fakeStreams } from "../../fake/streams.ts";

export interface LineOptions {
  readonly store?: StorePort;
  readonly host?: HostPort;
  readonly clock?: Clock;
  /** Where several lines make things: else each begins to count anew. */
  readonly ids?: Ids;
  /** What a person answers; without it nobody can be asked. */
  readonly prompts?: Prompts;
  /** Are the three streams a terminal? */
  readonly terminal?: boolean;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What stdin holds. */
  readonly input?: string;
  /** After how many writes nobody reads stdout any more. */
  readonly taken?: number;
  readonly signal?: AbortSignal;
  readonly willChange?: (changes: boolean) => void;
  readonly uid?: number;
  /** Where it runs. */
  readonly machine?: Machine;
  /** In the place of /var/lib/estrato. */
  readonly systemStore?: string;
  /** In the place of /etc/estrato. */
  readonly systemFolder?: string;
  /** How many targets may be worked on at the same time. */
  readonly cores?: number;
}

/** The machine that lines run on. */
export const MACHINE: Machine = { id: "3d1219c7c4c5404aaa1f6d2a48adfda4", name: "alpha" };

export interface LineResult {
  readonly exit: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Every call of it fails the test. */
const noHost = new Proxy({} as HostPort, {
  get(_target, name) {
    if (name === "then") return undefined;
    throw new Error(`the host was asked for ${String(name)}`);
  },
});

/** Settings are files, also here: each worker has its own, which is there once something is set. */
export const HOME = join(tmpdir(), `estrato-home-${process.pid}`);

/** `words` are what stands behind the program's name. */
export async function runLine(words: readonly string[], options: LineOptions = {}): Promise<LineResult> {
  const { terminal = false, input = "", taken, willChange } = options;
  const streams = fakeStreams({ terminal, input, ...(taken === undefined ? {} : { taken }) });
  const exit = await main(words, {
    streams,
    // The machine in memory has a network, as one of the whole machine has.
    env: { XDG_CONFIG_HOME: HOME, HOME, ESTRATO_NETWORK: "default", ...options.env },
    uid: options.uid ?? 1000,
    program: { node: "/usr/bin/node", path: "/opt/estrato/bin/estrato" },
    signal: options.signal ?? new AbortController().signal,
    ...(willChange === undefined ? {} : { willChange }),
    twins: {
      store: options.store ?? fakeStore(),
      host: options.host ?? noHost,
      clock: options.clock ?? fakeClock(),
      ids: options.ids ?? fakeIds(),
      user: "ana",
      machine: options.machine ?? MACHINE,
      systemFolder: options.systemFolder ?? "/nowhere",
      systemStore: options.systemStore ?? "/nowhere",
      ownHome: "/root",
      cores: options.cores ?? 2,
      ...(options.prompts === undefined ? {} : { prompts: options.prompts }),
    },
  });
  return { exit, stdout: streams.stdout.text, stderr: streams.stderr.text };
}
