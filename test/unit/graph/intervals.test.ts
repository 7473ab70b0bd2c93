import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { coveredBytes, differenceBytes, intersection, normalize, union } from "../../../src/core/graph/intervals.ts";
import type { Extent } from "../../../src/core/model/host.ts";

const lists = fc.array(fc.record({ start: fc.nat(60), length: fc.nat(12) }), { maxLength: 12 });
/** The same list as a set of single bytes: slow and plainly right. */
const bytes = (extents: readonly Extent[]) =>
  new Set(extents.flatMap(({ start, length }) => Array.from({ length }, (_, n) => start + n)));
const sorted = (set: ReadonlySet<number>) => [...set].sort((a, b) => a - b);

describe("extents as sets of bytes", () => {
  it("unite, intersect and differ as sets do", () => {
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        const [left, right] = [bytes(a), bytes(b)];
        expect(sorted(bytes(union(a, b)))).toEqual(sorted(new Set([...left, ...right])));
        expect(sorted(bytes(intersection(a, b)))).toEqual(sorted(new Set([...left].filter((one) => right.has(one)))));
        expect(differenceBytes(a, b)).toBe([...left].filter((one) => !right.has(one)).length);
        expect(coveredBytes(a)).toBe(left.size);
      }),
    );
  });

  it("come out sorted, apart from each other, and without empty ones", () => {
    fc.assert(
      fc.property(lists, lists, (a, b) => {
        for (const result of [normalize(a), union(a, b), intersection(a, b)])
          for (const [n, { start, length }] of result.entries()) {
            const before = result[n - 1];
            expect(length).toBeGreaterThan(0);
            if (before !== undefined) expect(start).toBeGreaterThan(before.start + before.length);
          }
      }),
    );
  });

  it("are left as they were handed in", () => {
    const list = Object.freeze([Object.freeze({ start: 5, length: 2 }), Object.freeze({ start: 0, length: 6 })]);
    expect(union(list, list)).toEqual([{ start: 0, length: 7 }]);
  });
});
