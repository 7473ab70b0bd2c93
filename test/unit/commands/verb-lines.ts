/**
 * What a verb must answer, as tables of lines. A line that goes well is run in a pipe, at a terminal, with -f json,
 * with -q and with --dry-run; one that is refused also as JSON and as a dry run. What every verb has to refuse comes
 * from its declaration.
 */

import type { ArgumentSpec } from "../../../src/commands/framework/arguments.ts";
import { longFlags } from "../../../src/commands/framework/parse.ts";
import type { Noun, Verb } from "../../../src/commands/framework/tree.ts";
import { catalogue } from "../../../src/program.ts";
import type { Bed } from "../core/world.ts";
import type { LineOptions } from "./line.ts";

/** What is so before the line is run: lines of the program, or anything else done to the machine. */
export type Before = string | ((on: Bed) => void | Promise<void>);

export interface Well {
  readonly line: string;
  readonly before?: Before;
  /** What the process has around it. */
  readonly how?: (on: Bed) => LineOptions;
  /** What -f json prints: exactly these keys. Absent: the verb prints nothing. */
  readonly json?: unknown;
  /** What a pipe gets, where that is not the same as columns. */
  readonly prints?: string | RegExp;
  /** The lines on stderr. */
  readonly notes?: readonly string[];
  /** What the plan of a verb that changes something shows, at least; []: there is nothing to do. */
  readonly plan?: readonly string[];
  /** A second line, and what it then prints: what has come of it. */
  readonly after?: readonly [line: string, prints: string];
}

export interface Refusal {
  readonly line: string;
  readonly exit: number;
  readonly says: string;
  readonly before?: Before;
  readonly how?: (on: Bed) => LineOptions;
  /** What stands on stdout and, before the error, on stderr all the same: it looked, and says what it found. */
  readonly prints?: RegExp;
  readonly notes?: readonly string[];
  /** What is not as it was all the same: it keeps what it found. */
  readonly changes?: readonly string[];
  /** It is found out while it is being done: a dry run cannot tell, and the exit code is all that is looked at. */
  readonly late?: boolean;
}

export interface Question {
  readonly line: string;
  readonly before?: Before;
  readonly asks: string;
  readonly loses: readonly string[];
  readonly after: readonly [line: string, prints: string];
}

export interface Several {
  /** One that goes well: it is tried between two that do not exist. */
  readonly good: string;
  readonly options?: string;
  /** "snapshots failed to delete"; of what counts those that went well "instances rebuilt". */
  readonly words: string;
  readonly countsDone?: true;
  readonly before?: Before;
}

export interface VerbLines {
  /** Other ways to call it: "shelve" for "instance shelve". All its lines are run under these names too. */
  readonly also?: readonly string[];
  readonly well: readonly Well[];
  readonly refused: readonly Refusal[];
  readonly asks?: readonly Question[];
  readonly several?: Several;
}

/** By verb. */
export type NounLines = Readonly<Record<string, VerbLines>>;

/** `refused("snapshot show nosuch", 4, "not found")`, one after the other. */
export function refusals(
  ...rows: readonly (readonly [line: string, exit: number, says: string, before?: Before])[]
): Refusal[] {
  return rows.map(([line, exit, says, before]) => ({ line, exit, says, ...(before === undefined ? {} : { before }) }));
}

/** Every line of a table. */
function linesOf({ well, refused, asks = [], several }: VerbLines): string[] {
  const lines = [...well, ...refused, ...asks].map(({ line }) => line);
  return several === undefined ? lines : [...lines, several.options ?? ""];
}

/**
 * What is declared and stands in no line: verbs, their other names, options, and exit codes that the manual explains.
 */
export async function unexercised(name: string, noun: Noun, tables: NounLines): Promise<string[]> {
  const missing: string[] = [];
  for (const [word, { load, aliases = [] }] of Object.entries(noun.verbs)) {
    const [lines, verb] = [tables[word], (await load()).default];
    const others = [
      ...aliases.map((alias) => `${name} ${alias}`),
      ...(noun.defaultVerb === word ? [name] : []),
      ...(await alone(verb)),
    ];
    if (lines === undefined) missing.push(word);
    else missing.push(...unexercisedOf(verb, lines).map((what) => `${word} ${what}`));
    missing.push(...others.filter((other) => !(lines?.also ?? []).includes(other)));
  }
  return missing;
}

/** The words under which a verb stands without its noun. */
async function alone(verb: Verb): Promise<string[]> {
  const found: string[] = [];
  for (const [word, entry] of Object.entries(catalogue))
    if ("verb" in entry && (await entry.verb()).default === verb) found.push(word);
  return found;
}

function unexercisedOf(verb: Verb, lines: VerbLines): string[] {
  const words = linesOf(lines).flatMap((line) => line.split(" "));
  const isGiven = (flag: string) => words.some((word) => word === flag || word.startsWith(`${flag}=`));
  const options = Object.entries(verb.options).flatMap(([key, option]) => {
    const flags = [...longFlags(key, option), ...(option.short === null ? [] : [option.short])];
    return flags.some(isGiven) ? [] : [flags[0] ?? key];
  });
  const exits = new Set([...lines.refused.map(({ exit }) => exit), ...(lines.asks ?? []).map(() => 8)]);
  const codes = Object.keys(verb.exits).filter((code) => !exits.has(Number(code)));
  const isTargets = ({ many, ask, complete }: ArgumentSpec<unknown>) => many && ask !== null && complete !== "nothing";
  const targets = Object.values(verb.arguments).some(isTargets);
  const several = targets && lines.several === undefined ? ["several targets"] : [];
  return [...options, ...codes.map((code) => `exit ${code}`), ...several];
}

/** What any verb refuses, by its declaration. */
export function declaredRefusals(path: string, verb: Verb, lines: VerbLines): Refusal[] {
  const specs = Object.values(verb.arguments);
  const [first] = specs;
  const good = lines.well[0]?.line ?? path;
  const [required] = Object.entries(verb.options).filter(([, one]) => one.required);
  const absent = required === undefined ? first?.label : longFlags(...required)[0]; // options come first
  const missing = first?.ask == null ? [] : [[path, 2, `${absent} is missing`] as const];
  const full = specs.some(({ many }) => many)
    ? []
    : [[[path, ...specs.map((_, index) => `w${index}`), "extra"].join(" "), 2, "one word too many"] as const];
  return refusals(
    ...missing,
    ...full,
    [`--nosuch ${good}`, 2, 'unknown option "--nosuch"'],
    [`-c nosuch ${good}`, 2, 'column "nosuch"'],
    [`-f xml ${good}`, 2, '--format "xml"'],
  );
}
