/** "Did you mean": a leaf, since each part knows other words that may have been meant. */

/**
 * The few of `known` that `typed` may have been meant to be, the nearest first: what begins with it, or is one or two
 * letters away from it, whatever the case.
 */
export function suggestions(typed: string, known: Iterable<string>): string[] {
  const wanted = typed.toLowerCase();
  if (typed.length > LONGEST) return [];
  const most = typed.length < 5 ? 1 : 2;
  return [...new Set(known)]
    .map((word) => ({ word, away: farFrom(wanted, word.toLowerCase(), most) }))
    .filter(({ away }) => away <= most)
    .sort((a, b) => a.away - b.away)
    .slice(0, 3)
    .map(({ word }) => word);
}

/** Of what is longer nobody has mistyped a letter or two: and each letter costs as much as all of the other word. */
const LONGEST = 300;

function farFrom(typed: string, word: string, most: number): number {
  if (typed.length > 1 && word.startsWith(typed)) return 0;
  return Math.abs(typed.length - word.length) > most ? most + 1 : distance(typed, word);
}

/** A sentence for a hint, or the other one where nothing is near. */
export function didYouMean(typed: string, known: Iterable<string>, otherwise: string): string {
  const near = suggestions(typed, known);
  return near.length === 0 ? otherwise : `Did you mean ${near.join(" or ")}?`;
}

/** Letters put in, left out, changed, or swapped with the next (Damerau and Levenshtein). */
function distance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let y = 1; y <= a.length; y += 1) {
    const row = [y];
    for (let x = 1; x <= b.length; x += 1) {
      const same = a[y - 1] === b[x - 1] ? 0 : 1;
      let best = Math.min((last[x] ?? 0) + 1, (row[x - 1] ?? 0) + 1, (last[x - 1] ?? 0) + same);
      if (y > 1 && x > 1 && a[y - 1] === b[x - 2] && a[y - 2] === b[x - 1]) {
        best = Math.min(best, (beforeLast[x - 2] ?? 0) + 1);
      }
      row.push(best);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}
