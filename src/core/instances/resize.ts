/**
 * `instance resize`: other vCPUs and other memory, by a flavor or by figures. Memory snapshots do not survive it, and
 * it asks first.
 */
import { EstratoError } from "../../errors.ts";
import { confirmed } from "../confirm.ts";
import { freedByDropping } from "../layers/freed.ts";
import { isSameMemory, isSameSize, requireHostGives, requireMachineSize } from "../machine-size.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Snapshot, State } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import type { PlanView } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { dropSnapshots } from "../snapshots/drop.ts";
import { snapshotLabel } from "../snapshots/find.ts";
import { snapshotsOf } from "../snapshots/names.ts";
import { refuseUnsafe } from "../truth.ts";
import { findToChange } from "../volumes/take-in.ts";
import { ensureAdopted } from "./adopt.ts";
import { type FoundInstance, findInstance, isLive } from "./find.ts";
import { requireNobodysElse } from "./other-stores.ts";
import { wrongState } from "./power.ts";
import { resizeKind } from "./resize-recovery.ts";
import { type ResizeData, resizeSteps } from "./resize-steps.ts";
import { findFlavor } from "./shape.ts";
import { requireStartable } from "./start.ts";

export interface ResizeOptions {
  readonly flavor: string | null;
  readonly vcpus: number | null;
  readonly ramBytes: number | null;
  /** Stop it if it runs, and start it again. */
  readonly restart: boolean;
  /** How long it may take to shut down; then it is powered off. */
  readonly timeoutMs: number;
}

/**
 * Gives an instance other vCPUs or memory. A snapshot with memory resumes only in a machine of its own size: those are
 * named, and go after a yes, once it runs again where it ran; snapshots of disks stay. Where it does not start, it has
 * the size again that it had. Null where the answer was no, or when it is done; a dry run returns the plan. Throws
 * "usage", "not_found" (the flavor), "host" for more than there is here, "conflict" where it runs and `restart` was not
 * asked for, or a snapshot with memory is protected.
 */
export async function resizeInstance(world: World, target: string, options: ResizeOptions): Promise<PlanView | null> {
  requireChoice(options);
  const first = await findInstance(world, target);
  const { uuid } = first.status;
  const seen = planResize(first, options);
  if (seen === null) return null;
  await requireHostGives(world, `instance ${seen.name}`, first.status.inactive.xml, seen);
  if (seen.dropped.length > 0 && !(await ask(world, first.state, seen))) return null;
  return withLocks(world, [uuid], async (locks) => {
    const found = await findToChange(world, locks, uuid);
    const data = planResize(found, options);
    if (data === null) return null;
    await requireNobodysElse(world, found.state, found.status);
    const unasked = data.dropped.find((one) => !seen.dropped.some(({ id }) => id === one.id));
    if (unasked !== undefined)
      throw new EstratoError("conflict", `instance ${data.name}: snapshot ${unasked.name} was taken meanwhile`, {
        hint: "Try again.",
      });
    if (data.restart) await requireStartable(world, found);
    return carryOut(world, locks, found, data, options);
  });
}

async function carryOut(
  world: World,
  locks: HeldLocks,
  { status, record, state }: FoundInstance,
  data: Planned,
  options: ResizeOptions,
): Promise<PlanView | null> {
  if (record === null && data.flavor !== null) await ensureAdopted(world, locks, status); // a flavor needs a record
  const { vcpus, ramBytes } = status.inactive;
  const xml = world.host.editDefinition(status.inactive.xml, {
    ...(data.vcpus === vcpus ? {} : { vcpus: data.vcpus }),
    ...(isSameMemory(data.ramBytes, ramBytes) ? {} : { ramBytes: data.ramBytes }),
  });
  const dropped = data.dropped.map(({ id }) => id);
  const before = { xml: status.inactive.xml, flavor: record?.flavor ?? null };
  const plan: ResizeData = { ...data, dropped, xml, before };
  const steps = resizeSteps(world, plan, options.timeoutMs);
  return run<ResizeData, null>(world, locks, {
    kind: resizeKind,
    target: data.name,
    data: plan,
    steps,
    notes: data.dropped.map((one) => `Snapshot ${one.name} will be deleted: its memory needs the size it has now.`),
    follows: () => freedByDropping(world, state, (draft) => dropSnapshots(draft, dropped)),
    result: async () => null,
  });
}

type Planned = Omit<ResizeData, "dropped" | "xml" | "before"> & { readonly dropped: readonly Snapshot[] };

/** Null where it has that size already. */
function planResize({ status, record, state }: FoundInstance, options: ResizeOptions): Planned | null {
  const flavor = options.flavor === null ? null : findFlavor(state, options.flavor);
  const { inactive, uuid, name } = status;
  const vcpus = flavor?.vcpus ?? options.vcpus ?? inactive.vcpus;
  const ramBytes = flavor?.ramBytes ?? options.ramBytes ?? inactive.ramBytes;
  requireMachineSize(`instance ${name}`, { vcpus, ramBytes });
  const same = isSameSize(inactive, { vcpus, ramBytes });
  if (same && (flavor === null || record?.flavor === flavor.name)) return null;
  refuseUnsafe(status);
  const dropped = same ? [] : snapshotsOf(state, uuid).filter((one) => one.memory !== null);
  requireUnprotected(state, dropped);
  if (!same) requireOffOrRestart(status, options);
  return {
    uuid,
    name,
    vcpus,
    ramBytes,
    flavor: flavor?.name ?? null,
    dropped,
    restart: !same && isLive(status),
  };
}

function requireChoice({ flavor, vcpus, ramBytes }: ResizeOptions): void {
  if (flavor === null && vcpus === null && ramBytes === null) {
    throw new EstratoError("usage", "instance resize: no new size is given", {
      hint: "Give --flavor, or --vcpus and --ram.",
    });
  }
  if (flavor !== null && (vcpus !== null || ramBytes !== null)) {
    throw new EstratoError("usage", `flavor ${flavor}: it says the vCPUs and the memory already`, {
      hint: "Give --flavor, or --vcpus and --ram.",
    });
  }
}

function requireOffOrRestart(status: DomainStatus, { restart }: ResizeOptions): void {
  if (!isLive(status)) return;
  if (!restart)
    throw wrongState(
      status.name,
      "it runs, and its size changes only when it starts",
      "Stop it first, or give --restart.",
    );
  if (status.state !== "running")
    throw wrongState(status.name, `it is ${status.state}`, `Resume it first: estrato instance resume ${status.name}.`);
}

function requireUnprotected(state: State, snapshots: readonly Snapshot[]): void {
  const kept = snapshots.find((snapshot) => snapshot.protected);
  if (kept === undefined) return;
  const label = snapshotLabel(state, kept);
  throw new EstratoError("conflict", `snapshot ${label}: it is protected, and its memory needs the size it has now`, {
    hint: `Lift that first: estrato snapshot set ${label} --unprotect.`,
  });
}

function ask(world: World, state: State, { name, dropped }: Planned): Promise<boolean> {
  return confirmed(world, {
    text: `Resize ${name}? ${dropped.length === 1 ? "A snapshot holds memory that resumes" : `${dropped.length} snapshots hold memory that resume`} only in the size it has now.`,
    loses: dropped.map((one) => `snapshot ${snapshotLabel(state, one)} (with memory)`),
  });
}
