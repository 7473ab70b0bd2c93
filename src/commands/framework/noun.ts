/** A noun and its verbs, by summary; a verb's own file is loaded when it is named. */
import "./ground.ts";
import type { Verb } from "./verb.ts";

export type LoadVerb = () => Promise<{ readonly default: Verb }>;

export interface VerbEntry {
  /** One line, no full stop: "Make a volume". */
  readonly summary: string;
  readonly load: LoadVerb;
  /** Other words for it: `image deregister`. */
  readonly aliases?: readonly string[];
}

export interface Noun {
  /** Paragraphs for help and the manual, parted by an empty line. */
  readonly description: string;
  /** In the order of help. */
  readonly verbs: Readonly<Record<string, VerbEntry>>;
  /** `backup web1` is `backup create web1`. */
  readonly defaultVerb?: string;
}

export function noun(definition: Noun): Noun {
  return definition;
}

/** What may stand first in a line. */
type CatalogueEntry =
  | { readonly summary: string; readonly noun: () => Promise<{ readonly default: Noun }> }
  | { readonly summary: string; readonly verb: LoadVerb; readonly hidden?: boolean };

/** All of it, in the order of help. */
export type Catalogue = Readonly<Record<string, CatalogueEntry>>;

/** The verb of this name or alias. */
export function verbNamed(noun: Noun, word: string): readonly [name: string, entry: VerbEntry] | null {
  if (Object.hasOwn(noun.verbs, word)) return [word, noun.verbs[word] as VerbEntry];
  return Object.entries(noun.verbs).find(([, { aliases }]) => aliases?.includes(word)) ?? null;
}
