/** One step, and the moves that make them. */
import type { Dice } from "./dice.ts";
import type { Effect } from "./effect.ts";
import type { Scene } from "./scene.ts";

export interface Deed {
  /** A line of estrato. */
  readonly words?: readonly string[];
  /** What others do, or several lines at once. Returns what may not be. */
  readonly act?: () => Promise<readonly string[]>;
  /** For the history: as a person would type it. */
  readonly text: string;
  readonly effect: Effect;
  /** It must be refused; where all agree, with that code. */
  readonly mustRefuse?: true | 5;
  /** Verbs may refuse, until doctor --repair was asked. */
  readonly unsettles?: boolean;
  /** Asked when it was reported done: what is wrong. */
  readonly after?: () => Promise<string[]>;
  /** What is asked is whether it runs: what strikes may have ended it. */
  readonly isOfPower?: true;
  /** Never with a kill. */
  readonly whole?: boolean;
}

export interface Move {
  readonly name: string;
  readonly weight: number;
  /** Null where there is nothing to do it to. */
  plan(scene: Scene, dice: Dice): Deed | null | Promise<Deed | null>;
}

export const verb = (words: readonly string[], effect: Effect, more: Partial<Deed> = {}): Deed => ({
  words,
  text: `estrato ${words.join(" ")}`,
  effect,
  ...more,
});

/** What others do. */
export const other = (text: string, act: () => Promise<unknown>, unsettles = false): Deed => ({
  act: async () => {
    await act();
    return [];
  },
  text,
  effect: {},
  unsettles,
  whole: true,
});
