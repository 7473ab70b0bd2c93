/** What a person at a terminal is told when a verb has ended: what it did, or how a list gets its first thing. */
import { isPlan } from "../../ui/plan.ts";
import type { Context, Verb } from "./tree.ts";

export interface Teller {
  /** Of one of several targets, as soon as it is done. */
  done(target: string, outcome: unknown): Promise<void>;
  /** At the end of the run: what nobody has said yet. */
  rest(outcome: unknown): Promise<void>;
}

/**
 * Says nothing in a pipe, with -q, in a dry run, and where the line asks for a format, columns or a query
 * (`isPlain` false): scripts read what they always did.
 */
export function teller(verb: Verb, context: Context, isPlain: boolean): Teller {
  const { factory, globals, args, options, world } = context;
  const { stdout, stderr } = factory.terminal;
  const isHeard = stdout && stderr && isPlain && !globals.dryRun;
  let steps = 0;
  let isSaid = false;

  async function done(target: string, outcome: unknown): Promise<void> {
    isSaid = true;
    const changed = factory.stepsDone() > steps;
    steps = factory.stepsDone();
    if (!isHeard || verb.done === null || isPlan(outcome)) return;
    const text = await verb.done({ target, row: outcome ?? null, changed, args, options, world });
    if (text !== null) factory.report.note(text);
  }

  return {
    done,
    async rest(outcome) {
      if (verb.changes && !isSaid && context.failure === null) {
        const [first = ""] = Object.values(args).flat();
        await done(String(first), Array.isArray(outcome) ? (outcome[0] ?? null) : outcome);
      }
      const { empty, shape } = verb.result;
      if (!isHeard || empty === null || shape !== "list" || !Array.isArray(outcome) || outcome.length > 0) return;
      factory.report.note(empty);
    },
  };
}
