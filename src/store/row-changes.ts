/** Which rows of a table are not those of the table that it was made of: found once, for its text and its records. */

export type Rows = Readonly<Record<string, unknown>>;

export interface RowChanges {
  /** Keys of rows that are new, or say something else. */
  readonly set: readonly string[];
  /** Keys of rows that are no more. */
  readonly gone: readonly string[];
  /** Do the rows that both have come first, and in one order? */
  readonly isInOrder: boolean;
}

const found = new WeakMap<Rows, { readonly before: Rows; readonly changes: RowChanges }>();

/** For who has just made `after` of `before`, and will not change it any more. */
export function knowRowChanges(before: Rows, after: Rows, changes: RowChanges): void {
  found.set(after, { before, changes });
}

export function rowChanges(before: Rows, after: Rows): RowChanges {
  const known = found.get(after);
  if (known?.before === before) return known.changes;
  const differs = (key: string) =>
    before[key] !== after[key] && JSON.stringify(before[key]) !== JSON.stringify(after[key]);
  return { set: Object.keys(after).filter(differs), ...orderChanges(before, after) };
}

/** Goes through both tables once. */
export function orderChanges(before: Rows, after: Rows): Omit<RowChanges, "set"> {
  const keys = Object.keys(after);
  const gone: string[] = [];
  let isInOrder = true;
  let at = 0;
  for (const key in before) {
    if (keys[at] === key) at += 1;
    else if (after[key] === undefined) gone.push(key);
    else isInOrder = false;
  }
  return { gone, isInOrder };
}
