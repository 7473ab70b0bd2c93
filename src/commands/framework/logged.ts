/** The log of what was done (`event list`): what no operation of core writes there, power, settings and refusals. */
import { EstratoError } from "../../errors.ts";
import type { TargetRecord } from "../../factory.ts";
import type { Context, Verb } from "./tree.ts";

export interface EventLog {
  /** The work on one target has ended; null: well. */
  ended(target: string, error: unknown, of?: TargetRecord): Promise<void>;
}

/** Those whose noun is not said. */
const IN_FULL: Readonly<Record<string, string>> = { shelve: "instance.shelve", unshelve: "instance.unshelve" };
/** They are no deeds: nobody asked for them in earnest, or they say of themselves what became of it. */
const UNLOGGED = ["usage", "needs_yes", "interrupted"];

/**
 * Logs a verb that changes something, unless core has logged it already under the same name; and what was refused. A
 * store that the verb has not come to is not written to, and a log that cannot be written stops nothing.
 */
export function eventLog(name: string, verb: Verb, { factory, globals }: Context): EventLog {
  const operation = IN_FULL[name] ?? name.replace(" ", ".");
  const isLogged = verb.changes && !globals.dryRun;
  let beganMs = factory.clock.now().getTime();

  return {
    async ended(target, error, of = factory) {
      const now = factory.clock.now();
      const durationMs = Math.max(0, now.getTime() - beganMs);
      beganMs = now.getTime();
      const known = of.loggedOperations().some((one) => one.startsWith(operation));
      const code = error === null ? "done" : error instanceof EstratoError ? error.code : "failed";
      if (isLogged && !known && !UNLOGGED.includes(code)) {
        await of.logEvent({
          time: now.toISOString(),
          duration_ms: durationMs,
          command: operation === "instance.exec" ? withoutWords(factory.command) : factory.command,
          operation,
          target: target === "" ? null : target,
          result: code,
          user: factory.user,
          ...(error instanceof EstratoError ? { message: error.message } : {}),
        });
      }
      of.nextRun();
    },
  };
}

/** What is run in a guest may hold its passwords. */
function withoutWords(command: string): string {
  return command.replace(/ -- .*/s, " -- …");
}
