/** The shortest history with the same end: steps are left out as long as it fails alike. */
import type { Walked, Wish } from "./walk.ts";

export interface Shrunk {
  readonly only: readonly number[];
  readonly walked: Walked;
}

/** What went wrong, without ids, numbers and names of the walk's own. */
export const kindOf = (wrong: readonly string[]): string =>
  (wrong[0] ?? "").replaceAll(/(lay|vol|snap|img|bak|op)-[0-9a-f]+|[0-9a-f-]{36}|\/\S+|\d+/g, "").slice(0, 60);

/** `walk` is played again and again until nothing can be left out, or until `until`, by performance.now(). */
export async function shrink(
  walk: (wish: Wish) => Promise<Walked>,
  wish: Wish,
  failed: Walked,
  until: number,
): Promise<Shrunk> {
  const kind = kindOf(failed.wrong);
  const last = failed.scene.step;
  let only = Array.from({ length: last + 1 }, (_, step) => step).filter((step) => wish.only?.has(step) ?? true);
  let walked = failed;
  for (let size = Math.ceil(only.length / 2); size >= 1 && performance.now() < until; size = Math.floor(size / 2)) {
    for (let from = 0; from + size <= only.length && performance.now() < until; ) {
      const less = [...only.slice(0, from), ...only.slice(from + size)];
      const again = await walk({ ...wish, only: new Set(less), steps: last + 1, say: () => undefined }).catch(
        () => null,
      );
      if (again !== null && kindOf(again.wrong) === kind) {
        only = less.filter((step) => step <= again.scene.step);
        walked = again;
      } else from += size;
    }
  }
  return { only, walked };
}

/** For a person: how to play it again, and its lines. */
export function told(wish: Wish, { only, walked }: Shrunk): string {
  return [
    `seed ${wish.seed}: ${walked.wrong.join("\n")}`,
    `again: npm run torture -- --seed ${wish.seed} --only ${only.join(",")} --others ${wish.otherPercent} --faults ${wish.faultPercent}`,
    ...walked.scene.history,
  ].join("\n");
}
