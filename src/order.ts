/**
 * The order of texts, without the rules of a language: their tables take Node 8 ms to load, and differ from host to
 * host.
 */

/** By the units that the texts are made of. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

/** Web1 beside web1, as virsh lists them. */
export function compareNames(a: string, b: string): number {
  return compareTexts(a.toLowerCase(), b.toLowerCase()) || compareTexts(a, b);
}

interface Aged {
  readonly createdAt: string;
  readonly id: string;
}

/** Oldest first. */
export function compareAges(a: Aged, b: Aged): number {
  return compareTexts(a.createdAt, b.createdAt) || compareTexts(a.id, b.id);
}
