/** What stands behind dashes. The key of an option is its name: `keyName` is `--key-name`. */
import { parseCount, parseDuration, parseKeyValue, parsePercent, parseSize } from "../../core/values.ts";
import { didYouMean } from "../../did-you-mean.ts";
import { EstratoError } from "../../errors.ts";
import { humanDuration, humanSize } from "../../units.ts";
import type { Completion } from "./arguments.ts";

export interface OptionSpec<T> {
  /** As the usage line shows it, `SIZE`; null: a flag. */
  readonly value: string | null;
  readonly help: string;
  readonly short: string | null;
  /** Further long names. */
  readonly aliases: readonly string[];
  readonly complete: Completion;
  readonly repeat: boolean;
  readonly required: boolean;
  /** As help shows it; null: none. */
  readonly shownDefault: string | null;
  /** From the texts on the line (none: []; a flag: [""]). Throws "usage" naming `what`. */
  readonly take: (texts: readonly string[], what: string) => T;
}

/** What an option that was not given holds: null, unless it has a default. A required one is always given. */
export interface Extras<T> {
  readonly short?: string;
  readonly aliases?: readonly string[];
  readonly complete?: Completion;
  readonly required?: true;
  readonly default?: T;
  /** The setting that says it where the line does not: for help; the verb asks for it. */
  readonly setting?: string;
}
type Given<T, E> = E extends { required: true } | { default: unknown } ? T : T | null;

/** True where it is given. */
export function flag(help: string, extras: { short?: string; aliases?: readonly string[] } = {}): OptionSpec<boolean> {
  const shape = { value: null, help, short: extras.short ?? null, aliases: extras.aliases ?? [], shownDefault: null };
  return { ...shape, complete: "nothing", repeat: false, required: false, take: (texts) => texts.length > 0 };
}

/** Free text. `value` is its placeholder. */
export function text<const E extends Extras<string>>(
  value: string,
  help: string,
  extras?: E,
): OptionSpec<Given<string, E>> {
  return single(value, help, extras, (given, what) => {
    if (given !== "") return given;
    throw new EstratoError("usage", `${what}: it is empty`, { hint: "Give a value, or leave the option out." });
  });
}

/** One of a few words. */
export function choice<const W extends string, const E extends Extras<W>>(
  words: readonly W[],
  help: string,
  extras?: E,
): OptionSpec<Given<W, E>> {
  const complete = { complete: words, ...extras };
  return single(words.join("|"), help, complete as unknown as E, (given, what) => {
    const word = words.find((one) => one === given);
    if (word !== undefined) return word;
    throw new EstratoError("usage", `${what} ${JSON.stringify(given)}: unknown`, {
      hint: didYouMean(given, words, `Give one of ${words.join(", ")}.`),
    });
  });
}

/** Bytes, from `10G`. */
export function size<const E extends Extras<number>>(help: string, extras?: E): OptionSpec<Given<number, E>> {
  return single("SIZE", help, extras, parseSize, humanSize);
}

/** Milliseconds, from `7d`. */
export function duration<const E extends Extras<number>>(help: string, extras?: E): OptionSpec<Given<number, E>> {
  return single("DURATION", help, extras, parseDuration, humanDuration);
}

/** A whole number from `least` (1) on. */
export function count<const E extends Extras<number> & { readonly least?: number }>(
  help: string,
  extras?: E,
): OptionSpec<Given<number, E>> {
  return single("N", help, extras, (given, what) => parseCount(given, what, extras?.least));
}

/** A whole percentage, from `5%`. */
export function percent<const E extends Extras<number>>(help: string, extras?: E): OptionSpec<Given<number, E>> {
  return single("N%", help, extras, parsePercent, (share) => `${share}%`);
}

/** The same, given as often as one likes: a list, empty where it was not given. */
export function repeated<T>(option: OptionSpec<T>): OptionSpec<readonly NonNullable<T>[]> {
  return {
    ...option,
    repeat: true,
    take: (texts, what) => texts.map((given) => option.take([given], what) as NonNullable<T>),
  };
}

/** `--property k=v`, repeated: an object. The last of a key wins. */
export function keyValues(
  help: string,
  complete: Completion = "nothing",
): OptionSpec<Readonly<Record<string, string>>> {
  const option = single("KEY=VALUE", help, { complete }, parseKeyValue);
  return {
    ...option,
    repeat: true,
    take: (texts, what) => Object.fromEntries(texts.map((given) => parseKeyValue(given, `${what}`))),
  };
}

function single<T, E extends Extras<T>>(
  value: string,
  help: string,
  extras: E | undefined,
  parse: (text: string, what: string) => T,
  show: (fallback: T) => string = String,
): OptionSpec<Given<T, E>> {
  const fallback = extras?.default ?? null;
  return {
    value,
    help,
    short: extras?.short ?? null,
    aliases: extras?.aliases ?? [],
    complete: extras?.complete ?? "nothing",
    repeat: false,
    required: extras?.required ?? false,
    shownDefault:
      extras?.setting !== undefined ? `the setting ${extras.setting}` : fallback === null ? null : show(fallback),
    take: (texts, what) => {
      const last = texts.at(-1);
      return (last === undefined ? fallback : parse(last, what)) as Given<T, E>;
    },
  };
}
