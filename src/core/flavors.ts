/** Flavors: the sizes that instances are made in. */
import { compareNames } from "../order.ts";
import { changeState } from "./change-state.ts";
import { requireMachineSize } from "./machine-size.ts";
import type { Flavor, State } from "./model/state.ts";
import { find, requireFree, requireName } from "./names.ts";
import type { PlanView } from "./operations/steps.ts";
import type { Clock, StorePort } from "./ports.ts";
import { requireDiskSize } from "./volumes/requirements.ts";

export interface NewFlavor {
  readonly name: string;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly diskBytes: number;
}

/** By name. Throws "not_found". */
export function findFlavor(state: State, name: string): Flavor {
  return find({ kind: "flavor", items: Object.values(state.flavors), id: byName, name: byName }, name);
}

const byName = (flavor: Flavor): string => flavor.name;

/** The smallest first. */
export async function listFlavors(store: StorePort): Promise<Flavor[]> {
  const { flavors } = await store.read();
  return Object.values(flavors).sort(
    (a, b) => a.ramBytes - b.ramBytes || a.vcpus - b.vcpus || compareNames(a.name, b.name),
  );
}

/** Throws "usage" for what is no flavor, "conflict" where the name is taken. With `dryRun` returns the plan. */
export async function createFlavor(
  store: StorePort,
  clock: Clock,
  wanted: NewFlavor,
  dryRun: boolean,
): Promise<Flavor | PlanView> {
  requireName("flavor", wanted.name);
  requireMachineSize(`flavor ${wanted.name}`, wanted);
  requireDiskSize(`flavor ${wanted.name}`, wanted.diskBytes);
  return changeState(store, dryRun, `Record flavor ${wanted.name}`, (draft) => {
    requireFree("flavor", wanted.name, Object.keys(draft.flavors));
    const flavor: Flavor = { ...wanted, createdAt: clock.now().toISOString() };
    draft.flavors[wanted.name] = flavor;
    return { ...flavor };
  });
}

/** Instances keep the size that it gave them. Throws "not_found". With `dryRun` returns the plan. */
export async function deleteFlavor(store: StorePort, name: string, dryRun: boolean): Promise<PlanView | null> {
  return changeState(store, dryRun, `Forget flavor ${name}`, (draft) => {
    delete draft.flavors[findFlavor(draft, name).name];
    return null;
  });
}
