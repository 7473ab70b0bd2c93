/**
 * A piece of the random walk of test/torture: verbs, the moves of other tools and faults, of fixed seeds; what was
 * reported done reads the same after each step. `npm run torture` goes on with other seeds.
 */
import { expect, it } from "vitest";
import { shrink, told } from "../torture/shrink.ts";
import { type Wish, walk } from "../torture/walk.ts";

const STEPS = 150;
const SHRINK_MS = 60_000; // `npm run torture` has the time to find a shorter one
const SEEDS = { 12: [910_200, 910_201], 13: [910_300, 910_301] };

const wished = process.env.ESTRATO_TEST_SEED;
const seeds = wished === undefined ? SEEDS[process.env.ESTRATO_BED_GEN === "13" ? 13 : 12] : [Number(wished)];

it.each(seeds)("keeps what was reported done, whatever happens in between: seed %i", async (seed) => {
  const scratch = process.env.ESTRATO_BED_DIR as string;
  const wish = { seed, steps: STEPS, otherPercent: 25, faultPercent: 30 };
  const walked = await walk(scratch, wish);
  const { steps, struck, others, done } = walked.scene.counts;
  console.log(`seed ${seed}: ${steps} steps, ${struck} faults struck, ${others} moves of others`);
  if (walked.wrong.length > 0) {
    const again = (less: Wish) => walk(scratch, less);
    const least = await shrink(again, wish, walked, performance.now() + SHRINK_MS);
    expect.fail(told(wish, least));
  }
  // A walk that only ever was refused would show nothing.
  expect(done).toBeGreaterThan(0);
});
