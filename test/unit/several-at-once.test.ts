/** Several at a time, and in order. */
import { expect, test } from "vitest";
import { severalAtOnce } from "../../src/several-at-once.ts";

test("four are worked on at a time, and what is made of them comes in their order", async () => {
  let [now, most] = [0, 0];
  const made = await severalAtOnce([5, 1, 4, 2, 3, 0], async (one) => {
    now += 1;
    most = Math.max(most, now);
    for (let turn = 0; turn < one; turn += 1) await null;
    now -= 1;
    return one * 2;
  });
  expect(made).toEqual([10, 2, 8, 4, 6, 0]);
  expect(most).toBe(4);
  expect(await severalAtOnce([], async () => 1)).toEqual([]);
});

test("the first failure is thrown, and none is begun after it", async () => {
  const begun: number[] = [];
  const all = severalAtOnce([1, 2, 3, 4, 5, 6, 7, 8], async (one) => {
    begun.push(one);
    await null;
    if (one === 2) throw new Error("two");
  });
  await expect(all).rejects.toThrow("two");
  expect(begun.length).toBeLessThan(8);
});
