/** Flavors: the sizes that instances are made in. */
import { EstratoError } from "../errors.ts";
import { compareNames } from "../order.ts";
import { humanSize } from "../units.ts";
import { changeState } from "./change-state.ts";
import type { Flavor, State } from "./model/state.ts";
import { find, requireFree, requireName } from "./names.ts";
import type { PlanView } from "./operations/steps.ts";
import type { Clock, StorePort } from "./ports.ts";

export interface NewFlavor {
  readonly name: string;
  readonly vcpus: number;
  readonly ramBytes: number;
  readonly diskBytes: number;
}

/** What QEMU takes at most on any machine type; the host may take fewer. */
const MOST_VCPUS = 4096;
const LEAST_RAM_BYTES = 1024 * 1024;

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
  if (wanted.vcpus > MOST_VCPUS) {
    throw new EstratoError("usage", `flavor ${wanted.name}: ${wanted.vcpus} vCPUs are too many`, {
      hint: `Give at most ${MOST_VCPUS}.`,
    });
  }
  if (wanted.ramBytes < LEAST_RAM_BYTES) {
    throw new EstratoError("usage", `flavor ${wanted.name}: ${humanSize(wanted.ramBytes)} of memory is too little`, {
      hint: "Give it as 512M or 4G.",
    });
  }
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
