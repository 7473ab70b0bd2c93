/** The one question before instances are rebuilt, however many they are. */
import { humanSpan } from "../../units.ts";
import { confirmed } from "../confirm.ts";
import type { World } from "../ports.ts";
import { findInstance } from "./find.ts";
import { namesOf } from "./names.ts";

/**
 * Names them all. Throws "not_found" where the only one is not there; of several, that is told when it is their turn.
 * "needs_yes" where nobody can answer.
 */
export async function confirmRebuild(
  world: World,
  targets: readonly string[],
  { image, keepMs }: { readonly image: string | null; readonly keepMs: number },
): Promise<boolean> {
  const [only, ...others] = targets;
  const names =
    only !== undefined && others.length === 0
      ? [(await findInstance(world, only)).status.name]
      : await namesOf(world, targets);
  const what = names.length === 1 ? names[0] : `${names.length} instances`;
  const on = image === null ? "" : ` on ${image}`;
  const kept = `What ${names.length === 1 ? "its" : "their"} disks hold is kept for ${humanSpan(keepMs)}`;
  const memory = "what is in memory is lost";
  return confirmed(world, {
    text: `Rebuild ${what}${on}? ${kept}; ${memory}.`,
    loses: names,
    heading: "Rebuilt would be",
  });
}
