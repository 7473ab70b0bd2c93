/** What people note on things. */
import type { Dice } from "../dice.ts";
import type { Scene } from "../scene.ts";

/** Options that set a property of what has this id, or drop one; and what it has then. */
export function propertyChange(
  { model }: Scene,
  dice: Dice,
  id: string,
): [words: string[], properties: Record<string, string>] {
  const properties = { ...(model.said.of(id).properties as Record<string, string> | undefined) };
  const dropped = dice.chance(30) ? dice.pick(Object.keys(properties).sort()) : undefined;
  if (dropped !== undefined) {
    delete properties[dropped];
    return [["--no-property", dropped], properties];
  }
  const [key, value] = [`p${dice.below(3)}`, `${dice.below(9)}`];
  return [["--property", `${key}=${value}`], { ...properties, [key]: value }];
}
