/** The words of a line: every verb with its options, in any order, with values that are nearly right or not at all. */
import { writeFileSync } from "node:fs";
import fc from "fast-check";
import { GLOBAL_OPTIONS } from "../../../src/commands/framework/globals.ts";
import { longFlags } from "../../../src/commands/framework/parse.ts";
import type { Verb } from "../../../src/commands/framework/tree.ts";
import { catalogue } from "../../../src/program.ts";
import { scratchFile } from "./images.ts";
import { kind } from "./kind.ts";
import { estate, requireSound, TARGET } from "./lines.ts";
import { mutatedText, nastyText } from "./mutate.ts";

/** What is there on the host of the tests, and what is nearly there. */
const THINGS = [
  ...[
    "web1",
    "web2",
    "legacy",
    "put-by",
    "data1",
    "data2",
    "debian12",
    "mykey",
    "tiny",
    "default",
    "none",
    "web9",
    "new",
  ],
  ...[
    "web1/first",
    "web1/upgrade",
    "web1/awake",
    "web2/first",
    "data1/monday",
    "nightly",
    "img-debian12",
    "web1/nosuch",
  ],
  ...[
    "11111111-2222-4333-8444-555555555555",
    "vol-00000000000000001",
    "snap-00000000000000001",
    "agent",
    "active",
    "-",
  ],
  ...[
    "connect",
    "network",
    "backup_target",
    "0 3 * * *",
    "192.168.122.9",
    "qemu:///system",
    "vda",
    "vdb",
    "ana",
    "first",
  ],
] as const;
const PLACES = [
  TARGET,
  "/disks/legacy.qcow2",
  "/nowhere",
  "/fake/estrato",
  "/fake/estrato/layers",
  "/etc/passwd",
  "relative",
];
const FILES = ["key", "user-data", "nosuch", "home", "..", "new.pem", "a b", "$(id)", "\0", "x".repeat(300)];
const BY_LABEL: Readonly<Record<string, readonly string[]>> = {
  SIZE: ["512M", "1M", "10G", "0", "1.5T", "9P"],
  DURATION: ["90s", "7d", "0", "1000w"],
  N: ["0", "1", "2", "999999999"],
  "N%": ["1%", "100%", "0%"],
  "KEY=VALUE": ["a=b", "a=", "=b", "status=active", "a.b=c=d"],
  JMESPATH: ["[].name", "@", "length(@)", "["],
  FILE: [],
};

interface Line {
  readonly path: readonly string[];
  readonly verb: Verb;
}

async function allVerbs(): Promise<Line[]> {
  const found: Line[] = [];
  for (const [name, entry] of Object.entries(catalogue)) {
    if ("verb" in entry) found.push({ path: [name], verb: (await entry.verb()).default });
    else
      for (const [word, { load }] of Object.entries((await entry.noun()).default.verbs))
        found.push({ path: [name, word], verb: (await load()).default });
  }
  return found;
}

const thing = fc.constantFrom<string>(...THINGS);
const anything = fc.oneof(
  { weight: 6, arbitrary: thing },
  { weight: 1, arbitrary: fc.constantFrom(...PLACES) },
  { weight: 2, arbitrary: nastyText },
  { weight: 1, arbitrary: mutatedText(THINGS, 2) },
);
/** Files are opened on the real machine: only below the folder of the fuzz. */
const file = fc.constantFrom(...FILES).map((name) => `${scratchFile("files")}-${name}`);

function valueFor(label: string): fc.Arbitrary<string> {
  if (/FILE|PATH/.test(label))
    return fc.oneof({ weight: 4, arbitrary: file }, { weight: 1, arbitrary: fc.constantFrom(...PLACES.slice(0, 2)) });
  if (/DIR/.test(label)) return fc.oneof(fc.constantFrom(...PLACES), file);
  const words = label.includes("|") ? label.split("|") : BY_LABEL[label];
  if (words === undefined || words.length === 0) return anything;
  return fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...words) },
    { weight: 2, arbitrary: mutatedText(words, 2) },
    { weight: 1, arbitrary: anything },
  );
}

function lineOf({ path, verb }: Line): fc.Arbitrary<string[]> {
  const options = Object.entries({ ...GLOBAL_OPTIONS, ...verb.options }).map(([key, option]) => {
    const flags = [...longFlags(key, option), ...(option.short === null ? [] : [option.short])];
    const flag = fc.constantFrom(...flags);
    if (option.value === null) return flag.map((one) => [one]);
    return fc
      .tuple(flag, valueFor(option.value), fc.boolean())
      .map(([one, value, joined]) => (joined && one.startsWith("--") ? [`${one}=${value}`] : [one, value]));
  });
  const operands = Object.values(verb.arguments).map(({ label, many }) =>
    fc.array(/FILE/.test(label) ? file : anything, { minLength: 1, maxLength: many ? 3 : 1 }),
  );
  const required = Object.entries(verb.options).flatMap(([key, option]) =>
    option.required ? [valueFor(option.value ?? "").map((value) => [longFlags(key, option)[0] ?? "", value])] : [],
  );
  const usual = fc.tuple(...operands, ...required).map((parts) => parts.flat());
  const more = fc.array(fc.oneof(...options), { maxLength: 4 }).map((parts) => parts.flat());
  const odd = fc.option(fc.oneof(nastyText, fc.constantFrom("--", "--nosuch", "-", "-qy", "--help", "--trace")), {
    freq: 5,
  });
  return fc.tuple(usual, more, odd, fc.nat({ max: 9 })).map(([words, rest, extra, order]) => {
    const all = order === 0 ? [...rest, ...words.slice(1)] : order < 4 ? [...rest, ...words] : [...words, ...rest];
    return [...path, ...all, ...(extra === null ? [] : [extra])];
  });
}

const lines = (await allVerbs()).map(lineOf);

/** A whole, and what a person at a script's end may make of one: cut, doubled, in another order. */
const line = fc.oneof(
  { weight: 12, arbitrary: fc.oneof(...lines) },
  { weight: 1, arbitrary: fc.array(anything, { maxLength: 6 }) },
  { weight: 1, arbitrary: fc.oneof(...lines).chain((words) => fc.shuffledSubarray(words)) },
);

export const argv = kind(
  "argv",
  line,
  async (words) => {
    writeFileSync(`${scratchFile("files")}-key`, "sesame\n");
    writeFileSync(`${scratchFile("files")}-user-data`, "#cloud-config\n");
    await requireSound(await estate(), words, { input: "" });
  },
  100,
);
