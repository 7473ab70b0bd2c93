/** From the words of a line to the verb they name. */
import { didYouMean } from "../../did-you-mean.ts";
import { EstratoError } from "../../errors.ts";
import { GLOBAL_OPTIONS } from "./globals.ts";
import { verbNamed } from "./noun.ts";
import { longFlags } from "./parse.ts";
import type { Catalogue, LoadVerb, Noun } from "./tree.ts";

export type Resolved =
  /** `words`: what is left for the verb. */
  | {
      readonly is: "verb";
      readonly path: readonly string[];
      readonly load: LoadVerb;
      readonly words: readonly string[];
    }
  /** Only a noun was named. */
  | { readonly is: "noun"; readonly name: string; readonly noun: Noun }
  | { readonly is: "nothing" };

/** Throws "usage" where the first word is no noun or the second no verb of it. */
export async function resolve(catalogue: Catalogue, words: readonly string[]): Promise<Resolved> {
  const first = operandAfter(words, -1);
  if (first === null) return { is: "nothing" };
  const name = words[first] ?? "";
  const entry = Object.hasOwn(catalogue, name) ? catalogue[name] : undefined;
  if (entry === undefined) {
    requireKnownOptions(words.slice(0, first));
    const known = Object.entries(catalogue).flatMap(([word, one]) => ("hidden" in one ? [] : [word]));
    const home = await (await import("./lead-home.ts")).leadHome(catalogue, operandsFrom(words, first));
    throw new EstratoError("usage", `${name}: no such command`, {
      hint: home ?? didYouMean(name, known, 'See "estrato help".'),
    });
  }
  if ("verb" in entry) return { is: "verb", path: [name], load: entry.verb, words: words.toSpliced(first, 1) };
  const noun = (await entry.noun()).default;
  const second = operandAfter(words, first);
  const found = second === null ? null : verbNamed(noun, words[second] ?? "");
  if (second !== null && found !== null) {
    const rest = words.filter((_, index) => index !== first && index !== second);
    return { is: "verb", path: [name, found[0]], load: found[1].load, words: rest };
  }
  const usual = noun.defaultVerb === undefined ? undefined : noun.verbs[noun.defaultVerb];
  if (usual !== undefined && noun.defaultVerb !== undefined && (second !== null || words.length > 1)) {
    return { is: "verb", path: [name, noun.defaultVerb], load: usual.load, words: words.toSpliced(first, 1) };
  }
  if (second === null) return { is: "noun", name, noun };
  requireKnownOptions(words.slice(0, second));
  const verb = words[second] ?? "";
  const verbs = Object.keys(noun.verbs);
  const home = await (await import("./lead-home.ts")).leadHome(catalogue, operandsFrom(words, first));
  throw new EstratoError("usage", `${name} ${verb}: no such verb`, {
    hint: home ?? didYouMean(verb, verbs, `It has: ${verbs.join(", ")}.`),
  });
}

/**
 * Throws "usage" where one of these words, which stand before the verb, is an option of no command: what follows it
 * was taken for a noun, and is none.
 */
export function requireKnownOptions(words: readonly string[]): void {
  const ends = words.indexOf("--");
  for (const word of ends < 0 ? words : words.slice(0, ends)) {
    const [flag = ""] = word.split("=");
    if (!word.startsWith("-") || word === "-" || KNOWN.has(flag) || SHORT.has(word.slice(0, 2))) continue;
    throw new EstratoError("usage", `${flag}: it is no option of every command, and no verb stands before it`, {
      hint: didYouMean(flag, LONG, `Options of a verb stand behind it: estrato NOUN VERB ${flag}.`),
    });
  }
}

const LONG = ["--help", "--version", ...Object.entries(GLOBAL_OPTIONS).flatMap(([key, one]) => longFlags(key, one))];
const KNOWN = new Set(LONG);

const SHORT = new Set(["-h", "-V", ...Object.values(GLOBAL_OPTIONS).flatMap(({ short }) => short ?? [])]);

const TAKING_VALUES = new Set(
  Object.entries(GLOBAL_OPTIONS).flatMap(([key, option]) =>
    option.value === null ? [] : [...longFlags(key, option), ...(option.short === null ? [] : [option.short])],
  ),
);

/** `-qf` is `-q -f`, and takes what follows. */
function lastOfCluster(word: string): string {
  return /^-[a-z]{2,}$/i.test(word) && [...word.slice(1, -1)].every((letter) => FLAGS.has(`-${letter}`))
    ? `-${word.at(-1)}`
    : "";
}

const FLAGS = new Set(Object.values(GLOBAL_OPTIONS).flatMap(({ value, short }) => (value === null ? [short] : [])));

/** Where the next word stands that is neither an option nor the value of one. Null: there is none before `--`. */
function operandAfter(words: readonly string[], from: number): number | null {
  for (let at = from + 1; at < words.length; at += 1) {
    const word = words[at] ?? "";
    if (word === "--") return null;
    if (!word.startsWith("-") || word === "-") return at;
    if (TAKING_VALUES.has(word) || TAKING_VALUES.has(lastOfCluster(word))) at += 1;
  }
  return null;
}

/** The words from `at` on that are neither options nor their values, as far as that is known. */
function operandsFrom(words: readonly string[], at: number): string[] {
  const found: string[] = [];
  for (let next: number | null = at; next !== null; next = operandAfter(words, next)) found.push(words[next] ?? "");
  return found;
}
