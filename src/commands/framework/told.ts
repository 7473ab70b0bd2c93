/** What a person at a terminal is told when a verb has ended: what it did, or how a list gets its first thing. */
import { isPlan } from "../../ui/plan.ts";
import type { Context, Verb } from "./tree.ts";

export interface Teller {
  /** Of one of several targets, as soon as it is done. */
  done(target: string, outcome: unknown): Promise<void>;
  /** At the end of the run: what nobody has said yet. `isBlank`: nothing of it was printed. */
  rest(outcome: unknown, isBlank: boolean): Promise<void>;
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
    async rest(outcome, isBlank) {
      if (verb.changes && !isSaid && context.failure === null) {
        const first = String(Object.values(args).flat()[0] ?? "");
        await done(context.called.get(first) ?? first, Array.isArray(outcome) ? (outcome[0] ?? null) : outcome);
      }
      const { empty, shape } = verb.result;
      if (!isHeard || shape !== "list" || !Array.isArray(outcome) || !isBlank) return;
      if (outcome.length === 0 && empty !== null) factory.report.note(empty);
      if (outcome.length > 0 && globals.filter.length > 0) factory.report.note(`None of ${outcome.length} fits.`);
    },
  };
}
