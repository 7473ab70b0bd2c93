/** Questions to a person, on stderr: stdout holds the result and nothing else. */
import { EstratoError } from "../errors.ts";
import type { Streams } from "./streams.ts";
import { told } from "./text.ts";

interface Choice {
  readonly value: string;
  readonly description?: string;
}

export interface Question {
  readonly text: string;
  readonly loses: readonly string[];
  /** What the list is of, where it is not of losses: "Of this host it names". */
  readonly heading?: string;
}

export interface Prompts {
  /** Lists what will be lost (or what `heading` says), then asks; no is the default. */
  confirm(question: Question): Promise<boolean>;
  /** A list that can be searched by typing. */
  choose(question: string, choices: readonly Choice[]): Promise<string>;
  /** `fallback`: what an empty answer means. `check`: what is wrong with an answer, null where nothing is. */
  ask(question: string, how?: Asking): Promise<string>;
}

export interface Asking {
  readonly fallback?: string;
  readonly check?: (text: string) => string | null;
}

/** Questions on this terminal. Call it only where somebody can answer. Throws "interrupted" on Ctrl-C. */
export function terminalPrompts(streams: Streams, signal: AbortSignal): Prompts {
  const context = { input: streams.stdin, output: streams.stderr, signal };

  async function answered<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (cause) {
      // inquirer's ExitPromptError (Ctrl-C, end of input) and AbortPromptError (our signal)
      if (cause instanceof Error && /^(Exit|Abort|Cancel)PromptError$/.test(cause.name)) {
        throw new EstratoError("interrupted", "interrupted: nothing has changed", { cause });
      }
      throw cause;
    }
  }

  return {
    async confirm({ text, loses, heading = "This will be lost" }) {
      const { confirm } = await import("@inquirer/prompts");
      if (loses.length > 0) streams.stderr.write(`${heading}:\n`);
      for (const loss of loses) streams.stderr.write(`  - ${told(loss)}\n`);
      return answered(() => confirm({ message: told(text), default: false }, context));
    },
    async choose(question, choices) {
      const { search } = await import("@inquirer/prompts");
      const shown = choices.map(({ value, description = "" }) => ({
        value,
        name: description === "" ? told(value) : `${told(value)}  ${told(description)}`,
        short: told(value),
      }));
      const source = (term: string | undefined) => found(shown, term ?? "");
      return answered(() => search({ message: told(question), source, pageSize: 12 }, context));
    },
    async ask(question, { fallback, check } = {}) {
      const { input } = await import("@inquirer/prompts");
      const validate = (text: string) => told(check?.(text) ?? "") || true;
      const asked = { message: told(question), required: true, validate };
      return answered(() => input(fallback === undefined ? asked : { ...asked, default: fallback }, context));
    },
  };
}

/** Those in which all that was typed occurs, the ones that begin with it first. */
function found<T extends { readonly name: string }>(choices: readonly T[], typed: string): T[] {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const fitting = choices.filter(({ name }) => words.every((word) => name.toLowerCase().includes(word)));
  const begins = ({ name }: T) => (name.toLowerCase().startsWith(words[0] ?? "") ? 0 : 1);
  return fitting.sort((a, b) => begins(a) - begins(b));
}
