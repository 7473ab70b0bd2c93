/**
 * Whose a guest is (DESIGN.md, invariant 11). One that has no layer of a store's yet has nothing by which another store
 * would know that: so each store marks the guests that it remembers, in libvirt's definition of them. Marks of two
 * stores lie side by side. Who takes a guest in marks it first and looks then, so that of two at the same moment one at
 * least sees the other.
 */
import { EstratoError } from "../../errors.ts";
import type { Action } from "../model/action.ts";
import type { DomainMark, DomainStatus } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";
import { storeIdOf } from "../store-id.ts";

/** The marks of other stores. One of a store that was in our folder before us is nobody's. */
export async function othersMarks(world: World, state: State, status: DomainStatus): Promise<DomainMark[]> {
  const others: DomainMark[] = [];
  for (const mark of [...status.inactive.marks, ...(status.live?.marks ?? [])]) {
    if (mark.store === state.storeId || others.some(({ store }) => store === mark.store)) continue;
    if (!isHere(world, state, mark) || !(await isOurs(world, mark.home))) others.push(mark);
  }
  return others;
}

/** Throws "conflict" where another store remembers it: both would change it, and neither knows of the other's locks. */
export async function requireNoOthersMark(world: World, state: State, status: DomainStatus): Promise<void> {
  const [other] = await othersMarks(world, state, status);
  if (other === undefined) return;
  const { name } = status;
  throw new EstratoError("conflict", `instance ${name}: ${whose(state, status.uuid)} ${placeOf(world, state, other)}`, {
    hint: `${isHere(world, state, other) ? `Use that store for it: --store ${other.home}` : "Use that store for it, there"}; where that store is gone for good: estrato instance adopt --take-over ${name}.`,
  });
}

function whose({ instances }: State, uuid: string): string {
  return instances[uuid] === undefined ? "it belongs to the store" : "it belongs to this store, and also to the store";
}

/** The folder of a mark's store, and the machine where that is another one. */
export function placeOf(world: World, state: State, mark: DomainMark): string {
  return isHere(world, state, mark) ? mark.home : `${mark.home} of ${mark.machineName}`;
}

/** Is it of a store of this machine? */
export function isHere({ store }: World, { binding }: State, { machine }: DomainMark): boolean {
  return machine === ((store.here ?? binding)?.machine ?? "");
}

/** Is this store's mark where it is looked for? */
export function isMarked({ storeId }: State, { inactive }: DomainStatus): boolean {
  return inactive.marks.some(({ store }) => store === storeId);
}

/** This store's mark, in both definitions. The store has an id from now on. */
export async function markAsOurs(world: World, locks: HeldLocks, { uuid }: DomainStatus): Promise<void> {
  await storeIdOf(world);
  await perform(world, locks, marking(world, await world.store.read(), uuid, true));
}

/** None where the store has no id: then nothing bears its mark. */
export function marking(world: World, state: State, domain: string, on: boolean): Action[] {
  const mark = markOf(world, state);
  return mark === null ? [] : [{ do: "mark-domain", domain, mark, on }];
}

/** This store's; null where it has no id yet. */
export function markOf({ store }: World, { storeId, binding }: State): DomainMark | null {
  const { machine = "", machineName = "" } = store.here ?? binding ?? {};
  return storeId === null ? null : { store: storeId, machine, machineName, home: store.paths.home };
}

/** Is it the folder of this store, under whatever name? */
export async function isOurs(world: World, home: string): Promise<boolean> {
  const own = world.store.paths.home;
  if (home === own) return true;
  const [one, other] = await Promise.all([world.host.fileInfo(home), world.host.fileInfo(own)]);
  return one !== null && one.identity === other?.identity;
}
