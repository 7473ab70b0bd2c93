/** Why what builds on a backup cannot take over its data: that backup stays then, and nothing has changed. */
import { type ErrorCode, type ErrorDetail, EstratoError } from "../../errors.ts";

/** `why` of the backup that stays, for a note: rotation does not fail for it. */
export class Unmergeable extends EstratoError {
  readonly why: string;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail & { readonly why: string }) {
    super(code, message, detail);
    this.name = "Unmergeable";
    this.why = detail.why;
  }
}

/**
 * "integrity": `which` is the backup `id`, or `child`, which builds on it. What is merged is summed anew: its sums
 * would vouch for what is wrong in it. `problem`: that, where it has just been found.
 */
export function damaged(id: string, child: string, which: string, problem?: string): Unmergeable {
  const isOwn = which === id;
  const what = isOwn ? `it is damaged, and ${child} builds on it` : `${child}, which builds on it, is damaged`;
  const why = isOwn ? "it is damaged" : `${child}, which is damaged, builds on it`;
  const found = problem === undefined ? "" : `: ${problem}`;
  return new Unmergeable("integrity", `backup ${id}: ${what}${found}`, { why, hint: `Delete ${child} first.` });
}
