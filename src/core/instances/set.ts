/** `instance set`: its name, its properties, whether it starts with the host. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { lockForwards } from "../forwards/free-ports.ts";
import { type ForwardWish, forwardKind, forwardSteps, noteNextStart, planForwards } from "../forwards/set.ts";
import type { State } from "../model/state.ts";
import { requireName } from "../names.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, runUnjournaled, type Step } from "../operations/steps.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { refuseUnsafe } from "../truth.ts";
import { ensureAdopted } from "./adopt.ts";
import { findAgain, findInstance, isLive } from "./find.ts";
import { nameLock, requireFreeName, requireStartableName } from "./names.ts";
import { requireNobodysElse } from "./other-stores.ts";
import { wrongState } from "./power.ts";

export interface SetInstanceOptions {
  readonly name: string | null; // null: keeps it
  readonly properties: Readonly<Record<string, string>>; // added or replaced
  readonly dropProperties: readonly string[];
  readonly autostart: boolean | null;
  readonly forwards?: ForwardWish;
}

interface RenameData {
  readonly uuid: string;
  readonly before: string;
  readonly after: string;
}

export const renameKind: Kind<RenameData> = {
  name: "instance.rename",
  version: 1,
  data: v.object({ uuid: v.string(), before: v.string(), after: v.string() }),
  recover: recoverRename,
};

/**
 * Sets what is named; setting what is so already is fine. A property needs a record, so an instance that estrato did
 * not make is adopted. Throws "conflict" where a running one is to be renamed, or the name is taken.
 */
export async function setInstance(world: World, target: string, options: SetInstanceOptions): Promise<PlanView | null> {
  const { status: first } = await findInstance(world, target);
  const newName = options.name === null || options.name === first.name ? null : requireName("instance", options.name);
  if (newName !== null) await requireStartableName(world, newName);
  if (newName !== null && options.forwards !== undefined) {
    throw new EstratoError("usage", "instance set: --name and --forward: one operation each", {
      hint: "Say them one after the other.",
    });
  }
  const names = newName === null ? [first.uuid] : [first.uuid, nameLock(newName)];
  return withLocks(world, names, async (locks) => {
    const { status, record, state } = await findAgain(world, locks, first.uuid);
    await requireNobodysElse(world, state, status);
    const steps: Step[] = [];
    const changesProperties = Object.keys(options.properties).length > 0 || options.dropProperties.length > 0;
    if (newName !== null) {
      if (isLive(status)) {
        throw wrongState(
          status.name,
          "it runs, and libvirt renames only what is off",
          `Stop it first: estrato instance stop ${status.name}.`,
        );
      }
      refuseUnsafe(status);
      await requireFreeName(world, state, newName, status.uuid);
    }
    if (changesProperties) {
      if (record === null) await ensureAdopted(world, locks, status);
      steps.push({
        id: "record-properties",
        title: "Record the properties",
        run: () => world.store.update((draft) => changeProperties(draft, status.uuid, options)),
      });
    }
    if (options.autostart !== null && options.autostart !== status.autostart) {
      const title = `Start it with the host: ${options.autostart ? "on" : "off"}`;
      steps.push({
        id: "autostart",
        title,
        actions: [{ do: "autostart", domain: status.uuid, on: options.autostart }],
      });
    }
    if (options.forwards !== undefined) {
      if (record === null) await ensureAdopted(world, locks, status);
      return setForwards(world, locks, status.uuid, options.forwards, steps);
    }
    if (newName === null) return runUnjournaled(world, locks, steps, null);
    return run<RenameData, null>(world, locks, {
      kind: renameKind,
      target: newName,
      data: { uuid: status.uuid, before: status.name, after: newName },
      steps: [...steps, ...renameSteps(world, status.uuid, newName)],
      result: async () => null,
    });
  });
}

/** With what else is set. */
async function setForwards(
  world: World,
  locks: HeldLocks,
  uuid: string,
  wish: ForwardWish,
  others: readonly Step[],
): Promise<PlanView | null> {
  const choosing = await lockForwards(world);
  try {
    const { status, state } = await findAgain(world, locks, uuid);
    const data = await planForwards(world, state, status, wish);
    if (data === null) return await runUnjournaled(world, locks, others, null);
    const done = await run(world, locks, {
      kind: forwardKind,
      target: status.name,
      data,
      steps: [...others, ...forwardSteps(world, status, data)],
      result: async () => null,
    });
    noteNextStart(world, status, data);
    return done;
  } finally {
    await choosing.release();
  }
}

function renameSteps(world: World, uuid: string, name: string): Step[] {
  return [
    { id: "rename", title: "Rename it", actions: [{ do: "rename", domain: uuid, name }] },
    { id: "record-name", title: "Record the name", run: () => recordName(world, uuid, name) },
  ];
}

function changeProperties(draft: State, uuid: string, options: SetInstanceOptions): void {
  const record = draft.instances[uuid];
  if (record === undefined) return;
  const kept = Object.entries(record.properties).filter(([key]) => !options.dropProperties.includes(key));
  record.properties = { ...Object.fromEntries(kept), ...options.properties };
}

/** libvirt's name is the true one: what it says is recorded. */
async function recordName(world: World, uuid: string, name: string): Promise<void> {
  await world.store.update((draft) => {
    const record = draft.instances[uuid];
    if (record !== undefined) record.name = name;
  });
}

/** libvirt renames at once or not at all; the record follows it. */
async function recoverRename(world: World, _locks: HeldLocks, data: RenameData): Promise<Outcome> {
  const name = (await world.host.domainStatus(data.uuid))?.name ?? data.before;
  await recordName(world, data.uuid, name);
  return name === data.after ? "forward" : "back";
}
