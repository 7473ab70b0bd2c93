/** Whether a verb changed what it answers with: `changed` in its JSON, for playbooks. */

const known = new WeakMap<object, boolean>();

/** Of one of several results. */
export function noteChanged(result: unknown, changed: boolean): void {
  if (typeof result === "object" && result !== null) known.set(result, changed);
}

/** What was noted of it; else `otherwise`. */
export function isChanged(result: unknown, otherwise: boolean): boolean {
  return typeof result === "object" && result !== null ? (known.get(result) ?? otherwise) : otherwise;
}
