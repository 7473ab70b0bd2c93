/**
 * Arithmetic on extents: sorted lists of byte ranges that neither overlap nor touch ("normal"). All results are normal.
 */
import type { Extent } from "../model/host.ts";

/** Sorts, joins what overlaps or touches, and drops what is empty. */
export function normalize(extents: readonly Extent[]): Extent[] {
  const result: { start: number; length: number }[] = [];
  for (const { start, length } of extents.filter((one) => one.length > 0).sort((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && start <= last.start + last.length)
      last.length = Math.max(last.length, start + length - last.start);
    else result.push({ start, length });
  }
  return result;
}

/** Bytes in either. */
export function union(a: readonly Extent[], b: readonly Extent[]): Extent[] {
  return normalize([...a, ...b]);
}

/** Bytes in both. Takes any lists. */
export function intersection(a: readonly Extent[], b: readonly Extent[]): Extent[] {
  const [left, right] = [normalize(a), normalize(b)];
  const result: Extent[] = [];
  for (let i = 0, j = 0; ; ) {
    const [one, other] = [left[i], right[j]];
    if (one === undefined || other === undefined) return result;
    const [oneEnd, otherEnd] = [one.start + one.length, other.start + other.length];
    const start = Math.max(one.start, other.start);
    const length = Math.min(oneEnd, otherEnd) - start;
    if (length > 0) result.push({ start, length });
    if (oneEnd < otherEnd) i++;
    else j++;
  }
}

/** How many bytes the list covers, each once. */
export function coveredBytes(extents: readonly Extent[]): number {
  return normalize(extents).reduce((sum, { length }) => sum + length, 0);
}

/** How many bytes of `a` are not in `b`. */
export function differenceBytes(a: readonly Extent[], b: readonly Extent[]): number {
  return coveredBytes(a) - coveredBytes(intersection(a, b));
}
