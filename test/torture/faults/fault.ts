/** What strikes a line of estrato. */
import type { Ran } from "../../e2e/processes.ts";
import type { Dice } from "../dice.ts";
import type { Ending } from "../ground.ts";
import type { Scene } from "../scene.ts";

/** One that is laid: it holds until `over`. */
export interface Blow {
  /** Where it strikes: for the history. */
  readonly text?: string;
  /** The line runs in a process of its own, like this. */
  readonly ending?: Ending;
  /** To be called when the line has ended. Returns what may not be. */
  readonly over?: (ran: Ran) => Promise<readonly string[]>;
  /** Whether it struck; where it is left out, any end but a good one says so. */
  readonly struck?: () => boolean;
}

export interface Fault {
  readonly name: string;
  readonly weight: number;
  /** Lays it. Null where it cannot strike this line. */
  strike(scene: Scene, dice: Dice, words: readonly string[]): Blow | null | Promise<Blow | null>;
}

/** For `over`: what cannot be wrong. */
export const quietly = (act: () => unknown) => async (): Promise<readonly string[]> => {
  await act();
  return [];
};
