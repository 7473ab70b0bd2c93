/**
 * The program on a machine and a store in memory, as a process of its own: for what only a real terminal can show.
 * Bundled by `session.ts`; it is started as
 *
 *   make SCENE FILE    writes a scene of `scenes.ts` to the file
 *   run FILE WORDS…    runs one line on the scene in the file, and writes back what it left
 */
import { readFileSync, writeFileSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { main } from "../../../src/main.ts";
import { fakeClock, fakeIds } from "../../fake/clock.ts";
import { MACHINE } from "../commands/line.ts";
import { type Bed, command } from "../core/world.ts";
import { SCENES } from "./scenes.ts";

/** A scene between two lines. */
interface Kept extends Pick<Bed, "machine" | "disk"> {
  readonly now: string;
  /** How many lines have run: the first digit of the ids that the next one makes. */
  readonly lines: number;
}

const [verb, ...rest] = process.argv.slice(2);
if (verb === "make") await make(rest[0] ?? "", rest[1] ?? "");
else await run(rest[0] ?? "", rest.slice(1));

async function make(scene: string, file: string): Promise<void> {
  const made = await SCENES[scene]?.();
  if (made === undefined) throw new Error(`${scene}: no such scene`);
  keep(file, made, 1);
}

function keep(file: string, { machine, disk, clock }: Bed, lines: number): void {
  disk.locks.clear();
  writeFileSync(file, serialize({ machine, disk, now: clock.now().toISOString(), lines } satisfies Kept));
}

async function run(file: string, words: readonly string[]): Promise<void> {
  const { machine, disk, now, lines } = deserialize(readFileSync(file)) as Kept;
  const bed: Bed = { machine, disk, clock: fakeClock(now), ids: fakeIds((lines % 16).toString(16)) };
  const { host, store, clock, ids } = command(bed);
  const interruption = new AbortController();
  process.once("SIGINT", () => interruption.abort());
  process.exitCode = await main(words, {
    streams: process,
    env: { ...process.env, XDG_CONFIG_HOME: "/nowhere", HOME: "/nowhere" },
    uid: 1000,
    program: { node: "/usr/bin/node", path: "/opt/estrato/bin/estrato" },
    signal: interruption.signal,
    twins: { store, host, clock, ids, user: "ana", machine: MACHINE, systemFolder: "/nowhere", ownHome: "/nowhere" },
  });
  keep(file, bed, lines + 1);
}
