/**
 * What a line leaves open is asked for at a terminal: what a verb's own dialogue wants to know, required arguments, and
 * required options. The answers are words, put into the line as if they had been typed: nothing can be said that a
 * script could not say.
 */
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import type { Prompts } from "../../ui/prompts.ts";
import { humanAge } from "../../units.ts";
import type { ArgumentSpec, Completion } from "./arguments.ts";
import { kindMeant, liveCandidates } from "./candidates.ts";
import { usageLine } from "./help.ts";
import { lacking, requireGiven } from "./missing.ts";
import type { OptionSpec } from "./options.ts";
import { type Line, longFlags, parseLine } from "./parse.ts";
import { isChoiceByFilter } from "./target-words.ts";
import type { Guide, Verb } from "./tree.ts";

/**
 * `words` with what was left open; null where nothing is, or nobody can be asked. Throws "usage" where there is nothing
 * to choose from.
 */
export async function guidedWords(
  name: string,
  verb: Verb,
  line: Line,
  words: readonly string[],
  factory: Factory,
): Promise<string[] | null> {
  const prompts = factory.prompts();
  if (prompts === null) return null;
  const guide = guideOf(line, factory, prompts);
  const before = verb.guide === null ? [] : await verb.guide(guide);
  const { operands } = before.length === 0 ? line : await parseLine(name, verb, [...before, ...words]);
  const behind: string[] = [];
  requireGiven(verb, operands, line.options);
  for (const spec of isChoiceByFilter(verb, line) ? [] : lacking(verb, operands, line.options))
    behind.push(await argumentWord(name, verb, spec, [...operands, ...behind][0], guide));
  for (const key of line.missing) {
    const option = verb.options[key];
    // The dialogue knows better questions, where it has one.
    if (option !== undefined && !longFlags(key, option).some((flag) => before.includes(flag)))
      before.push(...(await optionWords(guide, key, option)));
  }
  return before.length + behind.length === 0 ? null : [...before, ...words, ...behind];
}

/** What is chosen from what there is: where that is nothing, nothing can be typed either. */
const CHOSEN: ReadonlySet<Completion> = new Set([
  "instance",
  "running",
  "snapshot",
  "image",
  "volume",
  "keypair",
  "flavor",
]);

/** `first`: the first argument, which may say of what kind this one is. */
async function argumentWord(
  name: string,
  verb: Verb,
  spec: ArgumentSpec<unknown>,
  first: string | undefined,
  guide: Guide,
): Promise<string> {
  const question = spec.ask ?? spec.label;
  const kind = kindMeant(spec.complete, first);
  const choices = await guide.candidates(kind);
  if (choices.length > 0) return guide.choose(question, choices);
  if (CHOSEN.has(kind)) {
    throw new EstratoError(
      "usage",
      `${name}: ${spec.label} is missing, and there is no ${kind === "running" ? "running instance" : kind} to choose`,
      {
        hint: `Usage: ${usageLine(name, verb)}.`,
      },
    );
  }
  return guide.ask(question);
}

async function optionWords(guide: Guide, key: string, option: OptionSpec<unknown>): Promise<string[]> {
  const flag = longFlags(key, option)[0] ?? key;
  const question = `${flag} ${option.value ?? ""}: ${option.help}`;
  const choices = await guide.candidates(option.complete);
  if (choices.length > 0 && Array.isArray(option.complete)) return [flag, await guide.choose(question, choices)];
  return [flag, await guide.ask(question, { check: (text) => option.take([text], flag) })];
}

function guideOf({ operands, options }: Line, factory: Factory, prompts: Prompts): Guide {
  return {
    operands,
    options,
    factory,
    candidates: async (kind) =>
      (await liveCandidates(kind, factory)).map(({ value, description }) => ({
        value,
        description: aged(description, factory.clock.now().getTime()),
      })),
    choose: (question, choices) => prompts.choose(question, choices),
    ask: (question, { fallback, check } = {}) =>
      prompts.ask(question, { ...(fallback === undefined ? {} : { fallback }), check: (text) => wrongIn(text, check) }),
  };
}

/** What a shell's completion is told as a time is an age here, as in the lists. */
function aged(description: string, nowMs: number): string {
  return /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(description) ? humanAge(description, nowMs) : description;
}

/** What is wrong with an answer, in a line; null: nothing. */
function wrongIn(text: string, check: ((text: string) => unknown) | undefined): string | null {
  try {
    check?.(text);
    return null;
  } catch (error) {
    if (error instanceof EstratoError) return `${error.message}. ${error.hint ?? ""}`.trim();
    throw error;
  }
}
