/**
 * What a line leaves open is asked for at a terminal: required options, and what a verb's own dialogue wants to know.
 * The answers are words, put into the line as if they had been typed: nothing can be said that a script could not say.
 */
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import type { Prompts } from "../../ui/prompts.ts";
import { liveCandidates } from "./candidates.ts";
import type { OptionSpec } from "./options.ts";
import { type Line, longFlags } from "./parse.ts";
import type { Guide, Verb } from "./tree.ts";

/** The words to be put into the line; [] where nothing is open, or nobody can be asked. */
export async function guidedWords(verb: Verb, line: Line, factory: Factory): Promise<string[]> {
  const prompts = factory.prompts();
  if (prompts === null) return [];
  const guide = guideOf(line, factory, prompts);
  const words = verb.guide === null ? [] : await verb.guide(guide);
  for (const key of line.missing) {
    const option = verb.options[key];
    // The dialogue knows better questions, where it has one.
    if (option !== undefined && !longFlags(key, option).some((flag) => words.includes(flag)))
      words.push(...(await optionWords(guide, key, option)));
  }
  return words;
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
    candidates: (kind) => liveCandidates(kind, factory),
    choose: (question, choices) => prompts.choose(question, choices),
    ask: (question, { fallback, check } = {}) =>
      prompts.ask(question, { ...(fallback === undefined ? {} : { fallback }), check: (text) => wrongIn(text, check) }),
  };
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
