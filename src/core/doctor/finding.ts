/** A difference between what is and what was recorded, in words, and how it can be mended. */
import type { HeldLocks, World } from "../ports.ts";

export interface Finding {
  /** What it concerns: "instance web1", a path, "journal". */
  readonly subject: string;
  readonly problem: string;
  /** What mending does, or what a person can do where it cannot be mended here. */
  readonly remedy: string;
  readonly mending: Mending | null;
}

export interface Mending {
  /** Locks it needs: it is left for another time where somebody holds them. */
  readonly locks: readonly string[];
  /** What would be lost, where mending must choose: then it asks. Empty: nothing. */
  readonly loses: readonly string[];
  /** It cannot be seen from here whether that is lost: --yes is no answer. */
  readonly byPerson?: boolean;
  mend(world: World, locks: HeldLocks): Promise<void>;
}

/** A finding that nothing here can mend without guessing. */
export function unmendable(subject: string, problem: string, remedy: string): Finding {
  return { subject, problem, remedy, mending: null };
}
