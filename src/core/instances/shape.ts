/** How many vCPUs, how much memory and how large a first disk a new instance gets. */

import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { requireMachineSize } from "../machine-size.ts";
import type { Flavor, State } from "../model/state.ts";
import { notFound } from "../names.ts";
import { requireDiskSize } from "../volumes/requirements.ts";
import type { InstanceSource } from "./source.ts";

/** As asked for; null where nothing was said. */
export interface ShapeChoice {
  readonly flavor: string | null;
  readonly vcpus: number | null;
  readonly ramBytes: number | null;
  readonly diskBytes: number | null;
}

export interface Shape {
  readonly flavor: string | null;
  readonly vcpus: number;
  readonly ramBytes: number;
  /** Of the first disk; null: as large as the source's. */
  readonly diskBytes: number | null;
}

const DEFAULT_FLAVOR = "small";

/**
 * A flavor, or figures of one's own; what is not said comes from the snapshot's guest, else from the flavor `small`,
 * whose disk grows to what the image needs. Throws "usage" for a combination of both, for what is no size of a machine
 * or a disk, or for less than the image needs; "not_found" for an unknown flavor.
 */
export function chooseShape(state: State, source: InstanceSource, choice: ShapeChoice): Shape {
  const own = choice.vcpus !== null || choice.ramBytes !== null || choice.diskBytes !== null;
  if (choice.flavor !== null && own) {
    throw new EstratoError("usage", `flavor ${choice.flavor}: it says the vCPUs, memory and disk already`, {
      hint: "Give --flavor, or --vcpus, --ram and --disk.",
    });
  }
  if (source.kind === "volume" && choice.diskBytes !== null) {
    throw new EstratoError("usage", `${source.label}: it has its size`, {
      hint: "Leave --disk out; estrato volume resize grows it.",
    });
  }
  const shape = choice.flavor === null ? ownShape(state, source, choice) : ofFlavor(findFlavor(state, choice.flavor));
  requireMachineSize(source.label, shape);
  if (choice.diskBytes !== null) requireDiskSize(source.label, choice.diskBytes);
  requireEnough(source, shape);
  return shape;
}

function ofFlavor(flavor: Flavor): Shape {
  return {
    flavor: flavor.name,
    vcpus: flavor.vcpus,
    ramBytes: flavor.ramBytes,
    diskBytes: flavor.diskBytes === 0 ? null : flavor.diskBytes,
  };
}

function ownShape(state: State, source: InstanceSource, choice: ShapeChoice): Shape {
  const own = choice.vcpus !== null || choice.ramBytes !== null || choice.diskBytes !== null;
  const vcpus = choice.vcpus ?? source.vcpus;
  const ramBytes = choice.ramBytes ?? source.ramBytes;
  if (vcpus !== null && ramBytes !== null) {
    return { flavor: own ? null : source.flavor, vcpus, ramBytes, diskBytes: choice.diskBytes };
  }
  const fallback = findFlavor(state, DEFAULT_FLAVOR);
  const needed = Math.max(source.minDiskBytes, source.disks[0]?.sizeBytes ?? 0);
  return {
    flavor: own ? null : fallback.name,
    vcpus: vcpus ?? fallback.vcpus,
    ramBytes: ramBytes ?? fallback.ramBytes,
    diskBytes: choice.diskBytes ?? Math.max(fallback.diskBytes, needed),
  };
}

/** Throws "not_found". */
export function findFlavor(state: State, name: string): Flavor {
  const flavor = Object.hasOwn(state.flavors, name) ? state.flavors[name] : undefined;
  if (flavor !== undefined) return flavor;
  throw notFound("flavor", name);
}

function requireEnough(source: InstanceSource, shape: Shape): void {
  const diskBytes = Math.max(shape.diskBytes ?? 0, shape.diskBytes === null ? (source.disks[0]?.sizeBytes ?? 0) : 0);
  const hint = "Choose a larger flavor, or give --ram and --disk.";
  if (shape.ramBytes < source.minRamBytes) {
    throw new EstratoError(
      "usage",
      `${source.label}: needs ${humanSize(source.minRamBytes)} of memory, ${humanSize(shape.ramBytes)} were asked for`,
      { hint },
    );
  }
  const needed = Math.max(source.minDiskBytes, source.disks[0]?.sizeBytes ?? 0);
  if (diskBytes < needed) {
    throw new EstratoError(
      "usage",
      `${source.label}: needs a disk of ${humanSize(needed)}, ${humanSize(diskBytes)} were asked for`,
      { hint },
    );
  }
}
