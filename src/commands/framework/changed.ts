/** Whether a verb changed what it answers with: `changed` in its JSON, for playbooks. */

const known = new WeakMap<object, boolean>();

/** Of one of several results; where that is rows, of each. */
export function noteChanged(result: unknown, changed: boolean): void {
  for (const one of [result].flat()) if (typeof one === "object" && one !== null) known.set(one, changed);
}

/** What was noted of it; else `otherwise`. */
export function isChanged(result: unknown, otherwise: boolean): boolean {
  return typeof result === "object" && result !== null ? (known.get(result) ?? otherwise) : otherwise;
}
