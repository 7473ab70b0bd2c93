/** What could stand where the cursor is. */
import type { Factory } from "../../factory.ts";
import { printable } from "../../ui/text.ts";
import type { Completion } from "../framework/arguments.ts";
import { type Candidate, candidates } from "../framework/candidates.ts";
import { GLOBAL_OPTIONS } from "../framework/globals.ts";
import { GUIDES } from "../framework/guides.ts";
import type { OptionSpec } from "../framework/options.ts";
import { longFlags } from "../framework/parse.ts";
import { resolve } from "../framework/resolve.ts";
import type { Catalogue, Options, Verb } from "../framework/tree.ts";

type Sources = Pick<Factory, "store" | "settings">;

/** The candidates that begin as the last word does. */
export async function completed(
  catalogue: Catalogue,
  typed: readonly string[],
  sources: Sources,
): Promise<Candidate[]> {
  const words = joinedAtEquals(typed);
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const found = await offered(catalogue, before, current, sources);
  return found
    .filter(({ value }) => value.startsWith(current) || value.startsWith(":"))
    .map(({ value, description }) => ({ value: printable(value), description: printable(description) }));
}

async function offered(
  catalogue: Catalogue,
  before: readonly string[],
  current: string,
  sources: Sources,
): Promise<Candidate[]> {
  if (before[0] === "help") {
    const guides = before.length > 1 ? [] : Object.entries(GUIDES);
    return [
      ...(await offered(catalogue, before.slice(1), current, sources)),
      ...guides.map(([value, { about }]) => ({ value, description: about })),
    ];
  }
  const nouns = Object.entries(catalogue)
    .filter(([, entry]) => !("hidden" in entry))
    .map(([value, { summary }]) => ({ value, description: summary }));
  const resolved = await resolve(catalogue, before).catch(() => null);
  if (resolved === null) return [];
  if (resolved.is === "verb") return inVerb((await resolved.load()).default, resolved.words, current, sources);
  if (current.startsWith("-")) return flags(GLOBAL_OPTIONS);
  if (resolved.is === "nothing") return nouns;
  const { verbs, defaultVerb } = resolved.noun;
  const words = Object.entries(verbs).map(([value, { summary }]) => ({ value, description: summary }));
  const usual = defaultVerb === undefined ? undefined : verbs[defaultVerb];
  return usual === undefined
    ? words
    : [...words, ...(await inVerb((await usual.load()).default, [], current, sources))];
}

async function inVerb(verb: Verb, words: readonly string[], current: string, sources: Sources): Promise<Candidate[]> {
  const options: Options = { ...GLOBAL_OPTIONS, ...verb.options };
  const at = current.indexOf("=");
  if (current.startsWith("--") && at > 0) {
    const flag = current.slice(0, at);
    const option = optionNamed(options, flag);
    const values = option === null ? [] : await valuesOf(option.complete, verb, sources);
    return values.map((one) => ({ ...one, value: one.value.startsWith(":") ? one.value : `${flag}=${one.value}` }));
  }
  const last = optionNamed(options, words.at(-1) ?? "");
  if (last !== null && last.value !== null) return valuesOf(completionOf(last, options), verb, sources);
  if (current.startsWith("-") && !words.includes("--")) return flags({ ...verb.options, ...GLOBAL_OPTIONS });
  const operands = operandsOf(options, words);
  const specs = Object.values(verb.arguments);
  const spec = specs[operands.length] ?? (specs.at(-1)?.many ? specs.at(-1) : undefined);
  if (spec === undefined) return [];
  const found = await valuesOf(spec.complete, verb, sources);
  return found.filter(({ value }) => !operands.includes(value));
}

/** -c, --sort and --filter know the columns of the verb. */
function completionOf(option: OptionSpec<unknown>, options: Options): Completion | "column" {
  const named = [options.column, options.sort, options.filter];
  return named.includes(option) ? "column" : option.complete;
}

async function valuesOf(complete: Completion | "column", verb: Verb, sources: Sources): Promise<Candidate[]> {
  if (complete === "file" || complete === "folder") return [{ value: `:${complete}`, description: "" }];
  if (complete === "column") return verb.result.columns.map(({ key, header }) => ({ value: key, description: header }));
  return candidates(complete, sources);
}

function flags(options: Options): Candidate[] {
  return Object.entries(options).flatMap(([key, option]) =>
    longFlags(key, option).map((value) => ({ value, description: option.help })),
  );
}

function optionNamed(options: Options, word: string): OptionSpec<unknown> | null {
  if (!word.startsWith("-")) return null;
  const found = Object.entries(options).find(([key, one]) => one.short === word || longFlags(key, one).includes(word));
  return found?.[1] ?? null;
}

function operandsOf(options: Options, words: readonly string[]): string[] {
  const operands: string[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    const option = optionNamed(options, word);
    if (option !== null) at += option.value === null ? 0 : 1;
    else if (!word.startsWith("-")) operands.push(word);
  }
  return operands;
}

/** bash hands over `--format`, `=`, `js`: one word again. */
function joinedAtEquals(typed: readonly string[]): string[] {
  const words: string[] = [];
  for (const word of typed) {
    const last = words.at(-1);
    if (last?.startsWith("--") && (word === "=" || (last.endsWith("=") && word !== "")))
      words[words.length - 1] = last + word;
    else if (last?.startsWith("--") && last.endsWith("=") && word === "") continue;
    else words.push(word);
  }
  return words;
}
