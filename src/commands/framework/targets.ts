/** One verb on several targets: all are tried, each failure is reported, and the exit code says how it went. */
import { EstratoError } from "../../errors.ts";
import { noteChanged } from "./changed.ts";
import type { Context } from "./tree.ts";

export interface TargetWords {
  /** "snapshot" */
  readonly kind: string;
  /** "delete": `2 of 3 snapshots failed to delete` */
  readonly verb: string;
}

/**
 * Calls `work` for each target, one after the other. One target: its result, or its error is thrown. Several: the
 * results of those that went well; the failures are reported at once, and their sum is thrown when the result is
 * printed: all alike: that code; all, differently: "failed"; some: "partial". An interruption ends it at once.
 */
export async function eachTarget<T>(
  context: Pick<Context, "factory" | "failure" | "ended">,
  targets: readonly string[],
  { kind, verb }: TargetWords,
  work: (target: string) => Promise<T>,
): Promise<T | T[]> {
  const [only, ...others] = targets;
  if (only !== undefined && others.length === 0) return work(only);
  context.factory.takeChanged(); // what came before is nobody's
  const results: T[] = [];
  const failures: EstratoError[] = [];
  for (const target of targets) {
    try {
      const result = await work(target);
      noteChanged(result, context.factory.takeChanged());
      results.push(result);
      await context.ended(target, result, null);
    } catch (error) {
      if (context.factory.signal.aborted) throw error;
      failures.push(context.factory.reportError(error));
      await context.ended(target, null, error);
    }
  }
  const [first] = failures;
  if (first !== undefined) {
    const alike = failures.every(({ code }) => code === first.code);
    const code = results.length > 0 ? "partial" : alike ? first.code : "failed";
    const message = `${failures.length} of ${targets.length} ${kind}s failed to ${verb}`;
    context.failure = new EstratoError(code, message, { cause: first });
  }
  return results;
}
