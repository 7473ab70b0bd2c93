/** The texts of states that were found good lately: what is in them need not be validated again. */
import type { State } from "../core/model/state.ts";
import { MIGRATIONS, type Migrations, migrate } from "./migrations.ts";
import { parseRaw, trustedState, validState } from "./state-text.ts";

export interface KnownStates {
  /** The state in this text, a value of the caller's own. Throws as parseState does. */
  read(text: string, where: string): State;
  /** Of a state that was checked, and is about to be stored. */
  add(text: string): void;
}

/** Remembers the `limit` texts that were met last. */
export function knownStates(limit: number, migrations: Migrations = MIGRATIONS): KnownStates {
  const known = new Set<string>();

  function add(text: string): void {
    known.delete(text);
    known.add(text);
    if (known.size <= limit) return;
    const [oldest] = known;
    if (oldest !== undefined) known.delete(oldest);
  }

  return {
    add,
    read(text, where) {
      const raw = migrate(parseRaw(text, where), where, migrations);
      const state = known.has(text) ? trustedState(raw) : validState(raw, where);
      add(text);
      return state;
    },
  };
}
