/** A leaf: every part may import it. */

/**
 * Text that others wrote, in at most `most` characters. What is left out is in its middle: how a path or a complaint
 * begins and ends tells the most.
 */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const half = Math.floor(most / 2);
  return `${text.slice(0, half)}…${text.slice(-half)}`;
}
