/** A noun and its verbs, by summary. */
import type { Noun, VerbEntry } from "./tree.ts";

export function noun(definition: Noun): Noun {
  return definition;
}

/** The verb of this name or alias. */
export function verbNamed(noun: Noun, word: string): readonly [name: string, entry: VerbEntry] | null {
  if (Object.hasOwn(noun.verbs, word)) return [word, noun.verbs[word] as VerbEntry];
  return Object.entries(noun.verbs).find(([, { aliases }]) => aliases?.includes(word)) ?? null;
}
