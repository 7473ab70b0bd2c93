/** `instance adopt --take-over`: a guest that bears the mark of a store which is gone. */
import { confirmed } from "../confirm.ts";
import type { DomainMark, DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import type { Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { isHere, othersMarks, placeOf } from "./marks.ts";
import { wrongState } from "./power.ts";

/** The marks of other stores, none of which may be there: throws "conflict" for one that is. */
export async function goneMarks(world: World, state: State, status: DomainStatus): Promise<DomainMark[]> {
  const others = await othersMarks(world, state, status);
  for (const mark of others) {
    if (!isHere(world, state, mark)) continue;
    if ((await world.host.fileInfo(`${mark.home}/state.json`)) === null) continue;
    const line = `estrato --store ${mark.home} instance release ${status.name}`;
    throw wrongState(
      status.name,
      `the store ${mark.home}, which it belongs to, is there`,
      `Release it there: ${line}.`,
    );
  }
  return others;
}

/** Nobody can see from here whether a store is gone, or its disk not mounted. */
export async function mayTakeOver(
  world: World,
  state: State,
  { name }: DomainStatus,
  marks: readonly DomainMark[],
): Promise<boolean> {
  const stores = marks.map((mark) => placeOf(world, state, mark)).join(", ");
  return confirmed(world, {
    text: `Take instance ${name} over from the store ${stores}? That store must be gone for good.`,
    loses: [`what ${stores} still does with ${name}`],
  });
}

export function unmarking(
  { uuid }: DomainStatus,
  marks: readonly DomainMark[],
): (Step & Required<Pick<Step, "actions">>)[] {
  return marks.map((mark) => ({
    id: "unmark",
    title: `Take the mark of ${mark.home} off it`,
    actions: [{ do: "mark-domain", domain: uuid, mark, on: false }],
  }));
}
