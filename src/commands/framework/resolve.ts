/** From the words of a line to the verb they name. */
import { EstratoError } from "../../errors.ts";
import { GLOBAL_OPTIONS } from "./globals.ts";
import { verbNamed } from "./noun.ts";
import { longFlags } from "./parse.ts";
import { didYouMean } from "./suggest.ts";
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
    const known = Object.entries(catalogue).flatMap(([word, one]) => ("hidden" in one ? [] : [word]));
    throw new EstratoError("usage", `${name}: no such command`, {
      hint: didYouMean(name, known, 'See "estrato help".'),
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
  const verb = words[second] ?? "";
  const verbs = Object.keys(noun.verbs);
  throw new EstratoError("usage", `${name} ${verb}: no such verb`, {
    hint: didYouMean(verb, verbs, `It has: ${verbs.join(", ")}.`),
  });
}

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
