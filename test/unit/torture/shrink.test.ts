/** The shortest history of a walk that failed. */
import { expect, test } from "vitest";
import { kindOf, shrink, told } from "../../torture/shrink.ts";
import type { Walked, Wish } from "../../torture/walk.ts";

/** Fails at step 17 where steps 3 and 11 were taken, and otherwise at step 5 with another fault. */
async function walk({ only, steps }: Wish): Promise<Walked> {
  const took = (step: number) => step < steps && (only === undefined || only.has(step));
  const failed = took(3) && took(11) && took(17);
  const wrong = failed ? ["lay-0a1b is gone"] : took(5) ? ["it does not start"] : [];
  return { scene: { step: failed ? 17 : 5, history: ["3: virsh undefine w1"] }, wrong } as unknown as Walked;
}

const wish: Wish = { seed: 4, steps: 30, otherPercent: 25, faultPercent: 20 };

test("steps are left out as long as it fails alike, and it is told how to play it again", async () => {
  const least = await shrink(walk, wish, await walk(wish), Number.POSITIVE_INFINITY);
  expect(least.only).toEqual([3, 11, 17]);
  expect(told(wish, least)).toBe(
    [
      "seed 4: lay-0a1b is gone",
      "again: npm run torture -- --seed 4 --only 3,11,17 --others 25 --faults 20",
      "3: virsh undefine w1",
    ].join("\n"),
  );
});

test("nothing is tried when the time is up", async () => {
  const least = await shrink(walk, wish, await walk(wish), 0);
  expect(least.only).toHaveLength(18);
});

test("what is alike is told apart by its words, not by ids, paths and numbers", () => {
  expect(kindOf(["vol-12ab reads 7 (/a/b)"])).toBe(kindOf(["vol-99 reads 200 (/c)"]));
  expect(kindOf(["vol-12ab reads 7"])).not.toBe(kindOf(["vol-12ab is gone"]));
});
