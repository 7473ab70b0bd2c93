/** A difference between what is and what was recorded, in words, and how it can be mended. */
import { EstratoError } from "../../errors.ts";
import type { State } from "../model/state.ts";
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
  /** Looks at the same once more, under the locks. Absent: `mend` asks itself whether it is still so. */
  readonly again?: Look;
  mend(world: World, locks: HeldLocks): Promise<void>;
}

/** Reads only. */
export type Look = (world: World, state: State) => Promise<readonly Finding[]>;

/** What `again` has found in this state: it is mended only where that finds the same under its locks. */
export function foundBy(again: Look, findings: readonly Finding[]): Finding[] {
  return findings.map((one) => (one.mending === null ? one : { ...one, mending: { ...one.mending, again } }));
}

/**
 * The mending of what is found now, which these locks keep as it is: another command may have changed it, and mended it
 * too, between the look and the locks. Throws "conflict" where it is not what was found, and what a yes was given to.
 */
export async function mendingUnder(
  world: World,
  locks: HeldLocks,
  finding: Finding & { readonly mending: Mending },
): Promise<Mending> {
  const { subject, mending } = finding;
  if (mending.again === undefined) return mending;
  const found = await mending.again(world, await world.store.read());
  const now = found.find((one) => saysOf(one) === saysOf(finding))?.mending ?? null;
  if (now?.locks.every((name) => locks.names.includes(name))) return now;
  throw new EstratoError("conflict", `${subject}: it is no longer as it was found`, { hint: "Run doctor again." });
}

const saysOf = ({ subject, problem, mending }: Finding): string => JSON.stringify([subject, problem, mending?.loses]);

/** A finding that nothing here can mend without guessing. */
export function unmendable(subject: string, problem: string, remedy: string): Finding {
  return { subject, problem, remedy, mending: null };
}
