/** What is found out about a state that nobody can change any more is found out once, for all who ask. */
import { asRead } from "../model/drafts.ts";
import type { State } from "../model/state.ts";

/** `find` depends on nothing but the state. One that may still change is gone through each time; a draft to which nothing was done is what it was made of. */
export function oncePerState<T>(find: (state: State) => T): (state: State) => T {
  const found = new WeakMap<State, { readonly value: T }>();
  return (maybeDraft) => {
    const state = asRead(maybeDraft);
    const known = found.get(state);
    if (known !== undefined) return known.value;
    const value = find(state);
    if (Object.isFrozen(state)) found.set(state, { value });
    return value;
  };
}
