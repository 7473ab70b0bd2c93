/** The state put together again from a copy of it and from the records of things: whichever of each row is newer. */
import type { State } from "../core/model/state.ts";
import { TABLES } from "../core/model/tables.ts";
import { EstratoError } from "../errors.ts";
import type { RawState } from "./migrations.ts";
import { parseState } from "./state-text.ts";
import { isComplete, type Kept } from "./things.ts";

/** A whole state of some write. */
export interface Copy {
  readonly path: string;
  readonly writes: number;
  readonly content: State;
}

export interface Rebuilt {
  readonly state: State;
  /** In words: where it is from. */
  readonly from: string;
  /** Nothing that was stored can be missing. */
  readonly whole: boolean;
}

/**
 * Null where there is nothing to put together. `newest`: the number of the newest write of which anything is known. A
 * row that is only in the copy stays, unless the records are complete: better one thing too many than one too few.
 */
export function rebuild(copy: Copy | null, kept: Kept, newest: number): Rebuilt | null {
  const { header, things } = kept;
  const seen = Math.max(newest, copy?.writes ?? 0, header?.writes ?? 0, ...things.map(({ writes }) => writes));
  const fromThings = `what is kept of each thing (write ${header?.writes ?? "?"})`;
  if (header !== null && isComplete(kept) && header.writes > (copy?.writes ?? -1)) {
    const state = composed({}, kept, -1);
    if (state !== null) return { state, from: fromThings, whole: header.writes >= seen };
  }
  const newer = copy !== null && things.every(({ writes }) => writes <= copy.writes);
  const whole = copy !== null && copy.writes >= seen;
  if (copy !== null && (whole || newer)) return { state: copy.content, from: copy.path, whole };
  if (things.length > 0) {
    const state = composed((copy?.content ?? {}) as RawState, kept, copy?.writes ?? -1);
    const from = copy === null ? fromThings : `${copy.path} and ${fromThings}`;
    if (state !== null) return { state, from, whole: false };
  }
  return copy === null ? null : { state: copy.content, from: copy.path, whole: false };
}

/** The rows of `base`, and in their place the records that are of a later write than `after`. Null: no state. */
function composed(base: RawState, { header, things }: Kept, after: number): State | null {
  const newer = things.filter(({ writes }) => writes > after);
  const rest = header !== null && header.writes > after ? header.rest : {};
  // Rows of several versions come together only where an upgrade was cut off: the way up leaves alone what is new.
  const versions = [base.version, header?.version, ...newer.map(({ version }) => version)];
  const version = Math.min(...versions.filter((one) => typeof one === "number"));
  const raw: RawState = { version, ...base, ...rest };
  raw.version = version;
  raw.storeId ??= null;
  raw.binding ??= null;
  for (const table of TABLES) {
    const rows = newer.filter((thing) => thing.table === table).map(({ key, row }) => [key, row]);
    raw[table] = { ...(base[table] as object | undefined), ...Object.fromEntries(rows) };
  }
  try {
    return parseState(JSON.stringify(raw), "what is kept of each thing");
  } catch (error) {
    if (error instanceof EstratoError) return null;
    throw error;
  }
}
