/** Copies of what a state holds: what structuredClone refuses, or gives a prototype, among them. */

/** The same to its depth, what has no prototype without one: nobody else has any of it. */
export function deepCopy<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(deepCopy) as T;
  const copy = Object.getPrototypeOf(value) === null ? Object.assign(Object.create(null), value) : { ...value };
  for (const key of Object.keys(copy)) copy[key] = deepCopy(copy[key]);
  return copy;
}
