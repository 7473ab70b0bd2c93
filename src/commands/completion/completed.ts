/** What could stand where the cursor is. */
import { printable } from "../../ui/text.ts";
import type { Candidate } from "../framework/candidates.ts";
import { GLOBAL_OPTIONS } from "../framework/globals.ts";
import { GUIDES } from "../framework/guides.ts";
import type { OptionSpec } from "../framework/options.ts";
import { longFlags } from "../framework/parse.ts";
import { resolve } from "../framework/resolve.ts";
import type { Catalogue, Options, Verb } from "../framework/tree.ts";
import { type Place, valuesOf } from "./offers.ts";
import type { Sources } from "./sources.ts";

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
  const verbAt = (path: readonly string[], verb: Verb, words: readonly string[]): Place => ({
    catalogue,
    path: path.join(" "),
    verb,
    words,
    current,
    sources,
  });
  if (resolved.is === "verb") return inVerb(verbAt(resolved.path, (await resolved.load()).default, resolved.words));
  if (current.startsWith("-")) return flags(GLOBAL_OPTIONS);
  if (resolved.is === "nothing") return nouns;
  const { name, noun } = resolved;
  // Another word for a verb is offered to who has begun to type it.
  const words = Object.entries(noun.verbs).flatMap(([value, { summary, aliases = [] }]) =>
    [value, ...(current === "" ? [] : aliases)].map((word) => ({ value: word, description: summary })),
  );
  const usual = noun.defaultVerb === undefined ? undefined : noun.verbs[noun.defaultVerb];
  if (usual === undefined) return words;
  const place = verbAt([name, noun.defaultVerb ?? ""], (await usual.load()).default, []);
  return [...words, ...(await inVerb(place))];
}

async function inVerb(place: Place): Promise<Candidate[]> {
  const { verb, words, current } = place;
  const options: Options = { ...GLOBAL_OPTIONS, ...verb.options };
  const at = current.indexOf("=");
  if (current.startsWith("--") && at > 0) {
    const flag = current.slice(0, at);
    const option = optionNamed(options, flag);
    const inside = { ...place, current: current.slice(at + 1) };
    const values = option === null ? [] : await valuesOf(option, option.complete, inside);
    return values.map((one) => ({ ...one, value: one.value.startsWith(":") ? one.value : `${flag}=${one.value}` }));
  }
  const last = optionNamed(options, words.at(-1) ?? "");
  if (last !== null && last.value !== null)
    return valuesOf(last, last.complete, { ...place, words: words.slice(0, -1) });
  if (current.startsWith("-") && !words.includes("--")) return flags({ ...verb.options, ...GLOBAL_OPTIONS });
  const operands = operandsOf(options, words);
  const specs = Object.values(verb.arguments);
  const spec = specs[operands.length] ?? (specs.at(-1)?.many ? specs.at(-1) : undefined);
  if (spec === undefined) return [];
  const found = await valuesOf(null, spec.complete, { ...place, operands });
  return found.filter(({ value }) => !operands.includes(value));
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

/** Older scripts for bash hand over `--format`, `=`, `js`, and `status`, `=`, `act`: one word again. */
function joinedAtEquals(typed: readonly string[]): string[] {
  const words: string[] = [];
  for (const [index, word] of typed.entries()) {
    const joins = word === "=" || typed[index - 1] === "=";
    if (joins && words.length > 0) words[words.length - 1] += word;
    else words.push(word);
  }
  return words;
}
