/** Everything that strikes a line. */
import type { Dice } from "../dice.ts";
import type { Scene } from "../scene.ts";
import { children } from "./children.ts";
import { ends } from "./ends.ts";
import type { Blow, Fault } from "./fault.ts";
import { powerCut } from "./power-cut.ts";
import { readErrors } from "./read-errors.ts";
import { space } from "./space.ts";

const all: readonly Fault[] = [...ends, ...children, ...space, readErrors, powerCut];

/** Lays one of those that are wished, all if that is not said; null where none of some that were thrown can strike. */
export async function layFault(
  scene: Scene,
  dice: Dice,
  words: readonly string[],
  wished?: ReadonlySet<string>,
): Promise<{ readonly name: string; readonly blow: Blow } | null> {
  const faults = all.filter(({ name }) => wished?.has(name) ?? true);
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const fault = dice.weighed(faults);
    const blow = await fault.strike(scene, dice, words);
    if (blow !== null) return { name: fault.name, blow };
  }
  return null;
}

/** Throws for a name that no fault has. */
export function requireFaults(names: readonly string[]): void {
  const known = all.map(({ name }) => name);
  const wrong = names.find((name) => !known.includes(name));
  if (wrong !== undefined) throw new Error(`no fault is called ${wrong}: ${known.join(", ")}`);
}
