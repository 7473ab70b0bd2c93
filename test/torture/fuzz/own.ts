/** What a crash, a disk or a hand has left of our own: the state, the journal, kept definitions. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import fc from "fast-check";
import { bedOf, type Recorded } from "../../unit/core/recorded.ts";
import { DEFINITIONS } from "./definitions.ts";
import { kind } from "./kind.ts";
import { estate, requireSound } from "./lines.ts";
import { type Json, mutatedJson, mutatedJsonText, mutatedText } from "./mutate.ts";

const LINES = [
  "instance list",
  "doctor",
  "doctor --repair -y",
  "snapshot create web1 more",
  "usage",
  "check",
  "event list",
];
const line = fc.constantFrom(...LINES);
const made = await estate();
const STATE = JSON.parse(made.disk.state ?? "null") as Json;

export const state = kind(
  "state",
  fc.tuple(mutatedJsonText([STATE]), line),
  async ([text, words]) => {
    const on = await estate();
    on.disk.state = text;
    await requireSound(on, words.split(" "));
  },
  40,
);

const folder = resolve(import.meta.dirname, "../../unit/core/recorded");
const recorded = readdirSync(folder).flatMap((name) => {
  const all = JSON.parse(readFileSync(join(folder, name), "utf8")) as Recorded[];
  return all.filter(({ disk }) => disk.journal.length > 0).slice(0, 4);
});

/** An entry of an operation that was killed, changed: what recovery makes of it. */
const entry = fc.nat({ max: recorded.length - 1 }).chain((at) => {
  const own = recorded[at]?.disk.journal[0] as unknown as Json;
  return fc.tuple(fc.constant(at), mutatedJson([own], 2), line);
});

export const journal = kind(
  "journal",
  entry,
  async ([at, changed, words]) => {
    const on = bedOf(recorded[at] as Recorded);
    const [id = ""] = on.disk.journal.keys();
    on.disk.journal.set(id, JSON.stringify(changed));
    await requireSound(on, words.split(" "), { recovers: true });
  },
  40,
);

export const kept = kind(
  "kept",
  fc.tuple(mutatedText(DEFINITIONS), line),
  async ([xml, words]) => {
    const on = await estate();
    const [uuid = ""] = on.machine.domains.keys();
    on.disk.records.set(`${uuid}.xml`, xml);
    on.machine.domains.delete(uuid);
    await requireSound(on, words.split(" "));
  },
  40,
);

const row = fc
  .constantFrom(...made.disk.things)
  .chain(([name, text]) => fc.tuple(fc.constant(name), mutatedJsonText([JSON.parse(text) as Json], 3)));

/** The state is gone, with its copies: it is put together from the records of things, some of which are changed. */
export const things = kind(
  "things",
  fc.tuple(fc.array(row, { minLength: 1, maxLength: 3 }), fc.boolean(), line),
  async ([damaged, hasCopies, words]) => {
    const on = await estate();
    on.disk.state = null;
    if (!hasCopies) on.disk.copies.length = 0;
    for (const [name, text] of damaged) on.disk.things.set(name, text);
    await requireSound(on, words.split(" "));
  },
  40,
);
