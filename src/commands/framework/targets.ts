/** One verb on several targets: all are tried, each failure is reported, and the exit code says how it went. */
import type { World } from "../../core/ports.ts";
import { type ErrorCode, EstratoError } from "../../errors.ts";
import type { Turn } from "../../factory.ts";
import { noteChanged } from "./changed.ts";
import type { Context } from "./tree.ts";

export interface TargetWords {
  /** "snapshot" */
  readonly kind: string;
  /** "delete": `2 of 3 snapshots failed to delete` */
  readonly verb: string;
  /** "rebuilt": `24 of 25 instances rebuilt`, where that is what people count. */
  readonly done?: string;
}

type Targeted = Pick<Context, "factory" | "failure" | "ended">;
type Work<T> = (target: string, world: World) => Promise<T>;

/**
 * Calls `work` for each target, one after the other. One target: its result, or its error is thrown. Several: the
 * results of those that went well; the failures are reported at once, and their sum is thrown when the result is
 * printed: all alike: that code; all, differently: "failed"; some: "partial". An interruption ends it at once.
 */
export async function eachTarget<T>(
  context: Targeted,
  targets: readonly string[],
  words: TargetWords,
  work: (target: string) => Promise<T>,
): Promise<T | T[]> {
  const [only, ...others] = targets;
  if (only !== undefined && others.length === 0) return work(only);
  const { factory } = context;
  factory.takeChanged(); // what came before is nobody's
  const turn = async () => ({ record: factory, world: null });
  return allOf(context, targets, words, { turn, atOnce: 1 }, work);
}

/**
 * The same, as many at a time as the host has cores, each in a world of its own; in a dry run one after the other.
 * Their results come in the order of the targets, their messages as they end. Of an interruption those under way are
 * undone or finished first.
 */
export async function eachSideBySide<T>(
  context: Targeted & Pick<Context, "world">,
  targets: readonly string[],
  words: TargetWords,
  work: Work<T>,
): Promise<T | T[]> {
  const [only, ...others] = targets;
  const { factory } = context;
  const world = await context.world();
  if (only !== undefined && others.length === 0) return work(only, world);
  if (world.dryRun) return eachTarget(context, targets, words, (target) => work(target, world));
  const { sideBySide } = await import("../../core/operations/with-locks.ts");
  let results: T[] = [];
  await sideBySide(world, async ({ inCompany = true }) => {
    const turn = async (): Promise<Turn> => {
      const own = await factory.turn();
      return { ...own, world: { ...own.world, inCompany } };
    };
    results = await allOf(context, targets, words, { turn, atOnce: factory.cores }, work);
  });
  return results;
}

/** What each is worked on in, and how many at a time. */
interface Turns<W> {
  readonly turn: () => Promise<{ readonly record: Turn["record"]; readonly world: W }>;
  readonly atOnce: number;
}

async function allOf<T, W>(
  context: Targeted,
  targets: readonly string[],
  { kind, verb, done }: TargetWords,
  { turn, atOnce }: Turns<W>,
  work: (target: string, world: W) => Promise<T>,
): Promise<T[]> {
  const { factory } = context;
  const results = new Map<string, T>();
  const failures: EstratoError[] = [];
  const waiting = [...targets];
  let interruption: unknown = null;

  async function workOn(target: string): Promise<void> {
    const { record, world } = await turn();
    try {
      const result = await work(target, world);
      noteChanged(result, record.takeChanged());
      results.set(target, result);
      await context.ended(target, result, null, record);
    } catch (error) {
      if (factory.signal.aborted) interruption ??= error;
      else {
        failures.push(factory.reportError(error));
        await context.ended(target, null, error, record);
      }
    }
  }

  async function oneAfterTheOther(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined && interruption === null; next = waiting.shift())
      await workOn(next);
  }

  await Promise.all(Array.from({ length: atOnce }, oneAfterTheOther));
  if (interruption !== null) throw interruption;
  const [first] = failures;
  if (first !== undefined) {
    const code = codeOfAll(failures, results.size > 0);
    const failed = `${failures.length} of ${targets.length} ${kind}s failed to ${verb}`;
    const message = done === undefined ? failed : `${results.size} of ${targets.length} ${kind}s ${done}`;
    context.failure = new EstratoError(code, message, { cause: first });
  }
  return targets.flatMap((target) => (results.has(target) ? [results.get(target) as T] : []));
}

/** All alike: that code; all, differently: "failed"; some, beside what was done: "partial". */
export function codeOfAll(failures: readonly EstratoError[], isAnyDone: boolean): ErrorCode {
  if (isAnyDone) return "partial";
  const [code = "failed", ...others] = new Set(failures.map((one) => one.code));
  return others.length === 0 ? code : "failed";
}
