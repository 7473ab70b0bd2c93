/** Changes of a state that leave what they do not touch as it is: the new state shares it with the old one. */
import { current, Immer, isDraft } from "immer";
import type { State } from "./state.ts";

/** Who makes a new state freezes it himself, once it was read back (store/state-change.ts). */
export const drafts = new Immer({ autoFreeze: false });

/** The state as it is once `change` was made, which throws what that throws. `state`, a draft too, stays as it is. */
export function withChange(state: State, change: (draft: State) => void): State {
  return drafts.produce(asRead(state), (draft) => {
    change(draft as State);
  });
}

/** What a draft holds now, for who goes through all of it: each part of a draft that is looked at is made a draft. */
export function asRead<T>(value: T): T {
  return isDraft(value) ? current(value) : value;
}

/** Changes the rows of a draft's table that match, and looks at the others as they are. */
export function changeRows<Row>(
  table: Record<string, Row>,
  matches: (row: Readonly<Row>) => boolean,
  change: (row: Row) => void,
): void {
  for (const [key, row] of Object.entries(asRead(table))) if (matches(row)) change(table[key] as Row);
}
