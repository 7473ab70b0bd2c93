/**
 * A running guest's head takes in all that it stands on, and then stands on nothing: what lies below is left to the
 * snapshots that hold it, and nobody runs on it.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { redefining, relinked } from "../graph/effects.ts";
import { chain, instanceDisk } from "../graph/references.ts";
import { requireAwake } from "../instances/asleep.ts";
import { findAgain } from "../instances/find.ts";
import { stillDefined } from "../instances/still-defined.ts";
import { filesOf, hasPulled } from "../layers/pulled.ts";
import { withChange } from "../model/drafts.ts";
import type { Layer, State } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { requireSpace } from "../space.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";

interface AloneData {
  readonly instance: string; // UUID
  readonly device: string;
  readonly head: string; // the layer
}

/** Until the state says it, all can be given up: the head reads the same over what it stood on. */
export const standAloneKind: Kind<AloneData> = {
  name: "volume.stand-alone",
  version: 1,
  data: v.object({ instance: v.string(), device: v.string(), head: v.string() }),
  recover,
};

/**
 * Under the instance's lock, while it runs. Throws, with nothing changed, "host" where there is no room, "conflict" for
 * what libvirt would break, "integrity" where QEMU, libvirt and the state name other heads; "interrupted" half-way,
 * where all reads the same.
 */
export async function standAlone(world: World, locks: HeldLocks, instance: string, device: string): Promise<void> {
  const { state, status } = await findAgain(world, locks, instance);
  refuseUnsafe(status);
  await requireAwake(world, status);
  const facts = await requireAgreement(world, state, status);
  const head = state.layers[facts.find((one) => one.device === device)?.volume.head ?? ""];
  const disk = instanceDisk(state, instance, device);
  if (head === undefined || head.parent === null) {
    throw new EstratoError("integrity", `${disk}: what QEMU has open is not what is recorded`);
  }
  const bytes = await bytesBelow(world, state, head);
  await requireSpace(world, bytes, `${disk}: taking in what it stands on`);
  const data: AloneData = { instance, device, head: head.id };
  await run(world, locks, {
    ...{ kind: standAloneKind, target: status.name, data },
    steps: [
      {
        id: "pull",
        title: `Let ${disk} take in what it stands on`,
        actions: [{ do: "block-pull", domain: instance, device, base: null, mayStop: true }],
        bytes,
      },
      {
        id: "compare",
        title: "Compare what QEMU has open with the plan",
        run: () => requireAlone(world, data, disk),
      },
      { id: "redefine", title: "Define it so", actions: redefining(alone(state, data), head.id) },
      { id: "record", title: "Record it", run: () => record(world, data) },
    ],
    result: async () => undefined,
  });
}

async function bytesBelow(world: World, state: State, head: Layer): Promise<number> {
  let bytes = 0;
  for (const layer of below(state, head)) {
    for (const file of await filesOf(world, layer)) bytes += (await world.host.fileInfo(file))?.allocatedBytes ?? 0;
  }
  return bytes;
}

function below(state: State, head: Layer): Layer[] {
  return chain(state, head.id).flatMap((id) => (id === head.id ? [] : (state.layers[id] ?? [])));
}

async function openFiles(world: World, { instance, device }: AloneData): Promise<readonly string[] | null> {
  const status = await world.host.domainStatus(instance);
  if (status === null || status.live === null) return null;
  return (await world.host.qemuDisks(instance)).find((disk) => disk.device === device)?.chain ?? [];
}

async function requireAlone(world: World, data: AloneData, disk: string): Promise<void> {
  const open = await openFiles(world, data);
  if (open?.length === 1) return;
  throw new EstratoError("integrity", `${disk}: it still reads ${open?.slice(1).join(", ") ?? "nothing: it is off"}`);
}

function alone(state: State, data: AloneData): State {
  return withChange(state, (draft) => recordIn(draft, data));
}

async function record(world: World, data: AloneData): Promise<void> {
  await world.store.update((draft) => recordIn(draft, data));
}

function recordIn(draft: State, { head }: AloneData): void {
  const layer = draft.layers[head];
  if (layer !== undefined) layer.parent = null;
}

/** Forward where the guest runs on the head alone and that is whole; else the header names what it stood on again. */
async function recover(world: World, locks: HeldLocks, data: AloneData): Promise<Outcome> {
  const state = await world.store.read();
  const head = state.layers[data.head];
  const parent = state.layers[head?.parent ?? ""];
  if (head === undefined || parent === undefined) return "forward";
  const { instance, device } = data;
  await perform(world, locks, [{ do: "settle-job", domain: instance, device, abort: true }]);
  const open = await openFiles(world, data);
  if (open?.length === 1) {
    if (!(await hasPulled(world, head, below(state, head)))) throw torn(instanceDisk(state, instance, device));
    await perform(world, locks, await stillDefined(world, redefining(alone(state, data), head.id)));
    await record(world, data);
    return "forward";
  }
  if (open === null) await perform(world, locks, relinked(parent, head));
  await perform(world, locks, await stillDefined(world, redefining(state, head.id)));
  return "halfway";
}

function torn(disk: string): EstratoError {
  return new EstratoError("conflict", `${disk}: QEMU died while it took in what it stood on, and that is needed`, {
    hint: `Stop first: ${disk}.`,
  });
}
