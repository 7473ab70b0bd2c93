/**
 * The program on a machine and a store in memory, in a process of its own: for what only a real terminal can show.
 * Bundled by `session.ts`; it is started as
 *
 *   make SCENE FILE    writes a scene of `scenes.ts` to the file
 *   run FILE WORDS…    runs one line on the scene in the file, and writes back what it left
 *   shell FILE         is the shell of a terminal: it asks for lines and runs them, ours in this process, since
 *                      starting one for each would cost more than all else. What needs a real shell (a pipe) goes to
 *                      sh, and the scene to it by the file. The line `scene NAME TITLE` wipes the terminal, begins a
 *                      scene, and gives the terminal a title by which that is seen.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { deserialize, serialize } from "node:v8";
import { main } from "../../../src/main.ts";
import { fakeClock, fakeIds } from "../../fake/clock.ts";
import { MACHINE } from "../commands/line.ts";
import { type Bed, command, type Process } from "../core/world.ts";
import { SCENES } from "./scenes.ts";

/** A scene between two lines. */
interface Kept extends Pick<Bed, "machine" | "disk"> {
  readonly now: string;
  /** How many lines have run: the first digit of the ids that the next one makes. */
  readonly lines: number;
}

/** Time that is measured goes on when a slow host says so. What is built measures it by hrtime (build.mjs). */
let elapsedMs = 0;
const { bigint } = process.hrtime;
process.hrtime = Object.assign((): [number, number] => [elapsedMs / 1000, 0], { bigint });

const [verb, first = "", ...rest] = process.argv.slice(2);
if (verb === "make") keep(rest[0] ?? "", await sceneOf(first));
else if (verb === "run") {
  const { kept, exit } = await run(keptIn(first), rest, process.env);
  process.exitCode = exit;
  keep(first, kept);
} else await shell(first);

async function sceneOf(name: string): Promise<Kept> {
  const made = await SCENES[name]?.();
  if (made === undefined) throw new Error(`${name}: no such scene`);
  return keptOf(made, 1);
}

function keptOf({ machine, disk, clock }: Bed, lines: number): Kept {
  disk.locks.clear();
  return { machine, disk, now: clock.now().toISOString(), lines };
}

function keptIn(file: string): Kept {
  return deserialize(readFileSync(file)) as Kept;
}

function keep(to: string, kept: Kept): void {
  writeFileSync(to, serialize(kept));
}

async function run(
  { machine, disk, now, lines }: Kept,
  words: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ kept: Kept; exit: number }> {
  const bed: Bed = { machine, disk, clock: fakeClock(now), ids: fakeIds((lines % 16).toString(16)) };
  const interruption = new AbortController();
  const { host, store, clock, ids } = command(bed);
  const interrupt = () => {
    process.stdout.write("\n"); // behind the ^C that the terminal shows
    interruption.abort();
  };
  process.once("SIGINT", interrupt);
  const exit = await main(words, {
    streams: process,
    env: { ESTRATO_NETWORK: "default", ...env, XDG_CONFIG_HOME: "/nowhere", HOME: "/nowhere" },
    uid: 1000,
    program: { node: "/usr/bin/node", path: "/opt/estrato/bin/estrato" },
    signal: interruption.signal,
    twins: {
      store,
      host: env.SLOWLY === undefined ? host : slow(host),
      clock: { ...clock, sleep: (ms, signal) => resting(clock.sleep(ms, signal), signal) },
      ids,
      user: "ana",
      machine: MACHINE,
      systemFolder: "/nowhere",
      ownHome: "/nowhere",
    },
  });
  process.off("SIGINT", interrupt);
  return { kept: keptOf(bed, lines + 1), exit };
}

/** Who waits for something lets a person strike a key meanwhile. */
async function resting(sleep: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  await sleep;
  await setTimeout(10, undefined, { signal });
}

/** A host on which copies take eight seconds; half-way each is held until a key is struck. */
function slow(host: Process["host"]): Process["host"] {
  const perform: Process["host"]["perform"] = async (action, how) => {
    if (action.do === "convert" && how?.onProgress !== undefined) {
      for (const fraction of [0, 0.25, 0.5]) {
        how.onProgress(fraction);
        elapsedMs += fraction === 0.5 ? 4000 : 2000;
      }
      await typed();
    }
    return host.perform(action, how);
  };
  return { ...host, perform };
}

async function shell(file: string): Promise<void> {
  const wiped = (title: string) => `\u001b]2;${title}\u0007\u001b[H\u001b[2J\u001b[3J`; // and what has scrolled away
  let kept = await sceneOf("nothing");
  process.stdout.write("$ ");
  // Whatever a line asks for is read by whom it asks: between two lines nobody listens.
  for (;;) {
    const line = await typed();
    const [, settings, words] = /^((?:[A-Z]+=\S+ )*)estrato\b([^|]*)$/.exec(line.trim()) ?? [];
    const [, scene, title = ""] = /^scene (\S+) (\S+)/.exec(line) ?? [];
    if (scene !== undefined) {
      kept = await sceneOf(scene);
      process.stdout.write(wiped(title));
    } else if (settings !== undefined) {
      const env = Object.fromEntries(settings.split(" ").map((one) => one.split("=")));
      ({ kept } = await run(kept, wordsOf(words ?? ""), { ...process.env, ...env }));
    } else {
      keep(file, kept);
      spawnSync("sh", ["-c", line], { stdio: "inherit", env: { ...process.env, SCENE: file } });
      kept = keptIn(file);
    }
    process.stdout.write("$ ");
  }
}

/** What is typed next; a line, where the terminal gives lines. */
async function typed(): Promise<string> {
  const { stdin } = process;
  const read = new Promise<string>((resolve) => stdin.once("data", (bytes) => resolve(String(bytes))));
  stdin.resume();
  const text = await read;
  stdin.pause();
  return text;
}

/** A word with spaces stands between single quotes. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|\S+/g)].map(([word, quoted]) => quoted ?? word);
}
