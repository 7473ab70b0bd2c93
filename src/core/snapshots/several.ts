/** Several instances that go back to a snapshot of one name each. */
import { confirmed } from "../confirm.ts";
import { namesOf } from "../instances/names.ts";
import { notFound } from "../names.ts";
import type { World } from "../ports.ts";
import { snapshotsOf } from "./names.ts";

/** One question for all, which names them. Throws "needs_yes" where nobody can answer. */
export async function confirmReverts(
  world: World,
  uuids: readonly string[],
  { name, discard }: { readonly name: string; readonly discard: boolean },
): Promise<boolean> {
  const names = await namesOf(world, uuids);
  const what = names.length === 1 ? names[0] : `${names.length} instances`;
  const text = `Revert ${what} to ${name}${discard ? " and keep nothing" : ""}?`;
  return confirmed(world, { text, loses: names, heading: "Reverted would be" });
}

/** The id of the instance's snapshot of this name. Throws "not_found". */
export async function namedSnapshot(world: World, uuid: string, name: string): Promise<string> {
  const state = await world.store.read();
  const found = snapshotsOf(state, uuid).find((snapshot) => snapshot.name === name);
  if (found !== undefined) return found.id;
  throw notFound("snapshot", `${(await namesOf(world, [uuid]))[0]}/${name}`);
}
