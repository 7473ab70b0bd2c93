/** The words of a line against a verb's declaration, by commander. */
import { EstratoError } from "../../errors.ts";
import type { Globals } from "../../globals.ts";
import { GLOBAL_OPTIONS } from "./globals.ts";
import type { OptionSpec } from "./options.ts";
import type { Options, Verb } from "./tree.ts";

export interface Line {
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly globals: Globals;
  /** The keys of the required options that were not given. */
  readonly missing: readonly string[];
}

/** `keyName` → `--key-name`. */
function longFlag(key: string): string {
  return `--${key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** All its long names. */
export function longFlags(key: string, option: Pick<OptionSpec<unknown>, "aliases">): string[] {
  return [longFlag(key), ...option.aliases];
}

/** Throws "usage" for what the declaration does not allow. `name`: `flavor create`, for the message. */
export async function parseLine(name: string, verb: Verb, words: readonly string[]): Promise<Line> {
  const { Command, CommanderError, Option } = await import("commander");
  const command = new Command().exitOverride().helpOption(false).helpCommand(false).argument("[words...]");
  command.configureOutput({ writeErr: () => {}, writeOut: () => {}, outputError: () => {} });
  const declared: Options = { ...GLOBAL_OPTIONS, ...verb.options };
  const given = new Map<string, string[]>();
  for (const [key, option] of Object.entries(declared)) {
    for (const [index, long] of longFlags(key, option).entries()) {
      const flags = index === 0 && option.short !== null ? `${option.short}, ${long}` : long;
      const one = new Option(option.value === null ? flags : `${flags} <value>`);
      one.negate = false; // --no-wait is an option of its own here
      command.addOption(one);
      command.on(`option:${one.name()}`, (value: string | null) => {
        given.set(key, [...(given.get(key) ?? []), value ?? ""]);
      });
    }
  }
  try {
    command.parse([...words], { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) throw usageError(name, error.message);
    throw error;
  }
  const values = <Key extends string>(options: Readonly<Record<Key, OptionSpec<unknown>>>): Record<Key, unknown> =>
    Object.fromEntries(
      Object.entries<OptionSpec<unknown>>(options).map(([key, option]) => [
        key,
        option.take(given.get(key) ?? [], longFlag(key)),
      ]),
    ) as Record<Key, unknown>;
  const required = Object.entries(verb.options).filter(([, option]) => option.required);
  return {
    operands: command.args,
    globals: values(GLOBAL_OPTIONS) as Globals,
    options: values(verb.options),
    missing: required.flatMap(([key]) => (given.has(key) ? [] : [key])),
  };
}

/** Throws "usage" where a required option was not given. */
export function requireOptions(name: string, verb: Verb, { missing: [key] }: Line): void {
  const option = key === undefined ? undefined : verb.options[key];
  if (key === undefined || option === undefined) return;
  const long = longFlag(key);
  throw new EstratoError("usage", `${name}: ${long} is missing`, {
    hint: `Give ${long} ${option.value ?? ""}: ${option.help}.`,
  });
}

/** commander's words in our form: "error: unknown option '--foo'\n(Did you mean --format?)". */
function usageError(name: string, message: string): EstratoError {
  const [what = "", advice = ""] = message.replace(/^error: /, "").split("\n");
  const near = /^\((.*)\)$/.exec(advice)?.[1];
  return new EstratoError("usage", `${name}: ${what.replaceAll("'", '"').replace(" <value>", "")}`, {
    hint: near ?? `See "estrato help ${name}".`,
  });
}
