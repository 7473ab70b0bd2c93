/** Whether a file that an instance alone is to need may go with what needed it (DESIGN.md, invariant 12). */
import { filesInUse } from "../in-use.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";

/** Those that no other one reads: somebody gave a second guest this one's seed, or defined a copy of it by hand. */
export async function ownAlone(
  world: World,
  { state, uuid }: { readonly state: State; readonly uuid: string },
  files: readonly string[],
): Promise<string[]> {
  if (files.length === 0) return [];
  const inUse = await filesInUse(world, state);
  const alone: string[] = [];
  for (const path of files) {
    // What remembers earlier states, and this very operation, names them by this instance's id
    const named = (await inUse.naming(path)).filter(({ by }) => by === "domain" || by === "state");
    const others = [...(await inUse.outsiders(path)), ...named].filter(({ id }) => id !== uuid);
    const names = new Map(others.map(({ id, name }) => [id, name]));
    if (names.size > 0) world.report.note(`${path}: stays, ${[...names.values()].join(", ")} needs it`);
    else alone.push(path);
  }
  return alone;
}
