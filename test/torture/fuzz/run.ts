/** Throws inputs at one kind, batch after batch, each from a seed of its own. */
import fc from "fast-check";
import type { Kind } from "./kind.ts";

/** What came of a batch. */
export interface Batch {
  readonly inputs: number;
  /** Null: all went well. */
  readonly failure: {
    readonly seed: number;
    readonly path: string;
    readonly input: unknown;
    readonly why: string;
  } | null;
}

const SHRINK_MS = 60_000;

/** `path`: where in the batch of this seed the input is that was reported; else all are thrown, in at most `ms`. */
export async function runBatch(
  { property }: Kind,
  seed: number,
  inputs: number,
  ms: number,
  path = "",
): Promise<Batch> {
  const found = await fc.check(property, {
    seed,
    path,
    numRuns: inputs,
    endOnFailure: true,
    ...(path === "" ? { interruptAfterTimeLimit: ms } : {}),
  });
  // Without an input that failed the time was up before the first was through.
  if (found.counterexample === null) return { inputs: found.numRuns, failure: null };
  const least = await fc.check(property, {
    seed,
    path: found.counterexamplePath ?? path,
    interruptAfterTimeLimit: SHRINK_MS,
  });
  const { counterexample, counterexamplePath, errorInstance } = least.counterexample === null ? found : least;
  const why = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
  return {
    inputs: found.numRuns,
    failure: { seed, path: counterexamplePath ?? "", input: counterexample?.[0], why },
  };
}
