/** From a line as another tool takes it, or with its words the wrong way round, to the line that does it here. */
import { suggestions } from "../../did-you-mean.ts";
import { shellQuoted } from "../../ui/plan.ts";
import { verbNamed } from "./noun.ts";
import { commandMeant, nounMeant, verbsMeant } from "./other-tools.ts";
import type { Catalogue, Noun } from "./tree.ts";

/**
 * A question for a hint; null where nothing here is like it. `words`: those of the line without options, of which the
 * first is no noun, or the second no verb of it.
 */
export async function leadHome(catalogue: Catalogue, words: readonly string[]): Promise<string | null> {
  const lines = await meant(catalogue, words);
  if (lines.length === 0) return null;
  return `Did you mean ${lines.map((line) => `"estrato ${line}"`).join(" or ")}?`;
}

async function meant(catalogue: Catalogue, words: readonly string[]): Promise<string[]> {
  const [first = "", second, ...others] = words;
  const whole = commandMeant(words);
  if (whole !== null) return [lineOf(whole.command, words.slice(whole.length))];
  const nouns = Object.entries(catalogue).flatMap(([word, entry]) => ("noun" in entry ? [word] : []));
  const noun = nounMeant(first, nouns);
  if (noun !== null) {
    if (second === undefined) return [noun];
    return inNoun(catalogue, noun, second, others);
  }
  // create-snapshot, snapshot-create; create snapshot
  const [left = "", right = ""] = first.split(/-(.*)/);
  for (const [verb, of, rest] of [
    [left, right, words.slice(1)],
    [right, left, words.slice(1)],
    [first, second ?? "", others],
  ] as const) {
    const of2 = nounMeant(of, nouns);
    const found = of2 === null ? [] : await inNoun(catalogue, of2, verb, rest);
    if (found.length > 0) return found;
  }
  return inNoun(catalogue, "instance", first, words.slice(1), false);
}

/** `mayBeTarget`: a word that is no verb may be what the noun's first verb is done to: `snapshot web1`. */
async function inNoun(
  catalogue: Catalogue,
  name: string,
  word: string,
  rest: readonly string[],
  mayBeTarget = true,
): Promise<string[]> {
  const entry = catalogue[name];
  if (entry === undefined || !("noun" in entry)) return [];
  const noun = (await entry.noun()).default;
  if (verbNamed(noun, word) !== null) return [lineOf(`${name} ${word}`, rest)];
  const verbs = verbsMeant(word).filter((verb) => verbNamed(noun, verb.split(" ")[0] ?? "") !== null);
  if (verbs.length > 0) return verbs.map((verb) => lineOf(`${name} ${verb}`, rest));
  if (!mayBeTarget || suggestions(word, Object.keys(noun.verbs)).length > 0) return [];
  return (await isMadeOf(noun)) ? [lineOf(`${name} create`, [word, ...rest])] : [];
}

/** Is what comes into being one of another thing, which is named first? */
async function isMadeOf({ verbs }: Noun): Promise<boolean> {
  const create = verbs.create === undefined ? null : (await verbs.create.load()).default;
  const [first] = Object.values(create?.arguments ?? {});
  return first !== undefined && first.complete === "instance";
}

function lineOf(command: string, rest: readonly string[]): string {
  return [command, ...rest.map(shellQuoted)].join(" ");
}
