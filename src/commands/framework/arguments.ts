/** What a verb takes beside its options: INSTANCE, NAME, TARGET…. */
import { didYouMean } from "../../did-you-mean.ts";
import { EstratoError } from "../../errors.ts";

/** What a shell completes here, and what a choice at a terminal lists: live names of a kind, files, or these words. */
export type Completion =
  | "nothing"
  | "file"
  | "folder"
  | "instance"
  | "running" // instances that run
  | "snapshot"
  | "image"
  | "volume"
  | "backup"
  | "schedule"
  | "flavor"
  | "keypair"
  | "setting"
  | "setting-value" // of the setting that is named before it
  | "of-noun" // a thing of the noun that is named before it
  | "network"
  | "owner"
  | "command"
  | readonly string[];

export interface ArgumentSpec<T> {
  /** As the usage line shows it: `INSTANCE`. */
  readonly label: string;
  readonly help: string;
  readonly complete: Completion;
  /** The question at a terminal where it is missing; null: it may be missing. */
  readonly ask: string | null;
  readonly many: boolean;
  /**
   * The key of an option that stands in for it: where that is given, the words on the line are for the arguments behind
   * it.
   */
  readonly unless: string | null;
  /** From the words on the line (none: []). */
  readonly take: (words: readonly string[]) => T;
}

interface Extras {
  readonly complete?: Completion;
  /** The question at a terminal; made from the label where it is not given. */
  readonly ask?: string;
  readonly unless?: string;
  /** Nothing but a word of `complete`. */
  readonly only?: boolean;
  /** What to do about a word that `only` refuses, where it is like none of them. */
  readonly instead?: (word: string) => string;
}

/** Exactly one. Taking it throws "usage" where `only` refuses it. */
export function one(label: string, help: string, extras: Extras = {}): ArgumentSpec<string> {
  const take = ([word = ""]: readonly string[]): string => {
    if (extras.only && Array.isArray(extras.complete) && !extras.complete.includes(word)) {
      const otherwise = extras.instead?.(word) ?? `Give one of ${extras.complete.join(", ")}.`;
      const hint = didYouMean(word, extras.complete, otherwise);
      throw new EstratoError("usage", `${label} ${JSON.stringify(word)}: unknown`, { hint });
    }
    return word;
  };
  return spec(label, help, extras, false, required(label, extras), take);
}

/** One or none: null. */
export function optional(
  label: string,
  help: string,
  extras: Omit<Extras, "ask" | "unless"> = {},
): ArgumentSpec<string | null> {
  return spec(label, help, extras, false, null, (words) => words[0] ?? null);
}

/** One or more; the last argument of its verb. The same one twice counts once. */
export function many(label: string, help: string, extras: Extras = {}): ArgumentSpec<readonly string[]> {
  return spec(label, help, extras, true, required(label, extras), (words) => [...new Set(words)]);
}

/** Any number, or none; the last argument of its verb. The same one twice counts once. */
export function optionalMany(
  label: string,
  help: string,
  extras: Omit<Extras, "ask" | "unless"> = {},
): ArgumentSpec<readonly string[]> {
  return spec(label, help, extras, true, null, (words) => [...new Set(words)]);
}

/** All the other words as they are, or none; the last argument of its verb. */
export function rest(
  label: string,
  help: string,
  extras: Omit<Extras, "ask" | "unless"> = {},
): ArgumentSpec<readonly string[]> {
  return spec(label, help, extras, true, null, (words) => words);
}

function required(label: string, { ask }: Extras): string {
  return ask ?? `${label.charAt(0)}${label.slice(1).toLowerCase()}`;
}

function spec<T>(
  label: string,
  help: string,
  extras: Extras,
  isMany: boolean,
  ask: string | null,
  take: ArgumentSpec<T>["take"],
): ArgumentSpec<T> {
  return {
    label,
    help,
    complete: extras.complete ?? "nothing",
    ask,
    many: isMany,
    unless: extras.unless ?? null,
    take,
  };
}
