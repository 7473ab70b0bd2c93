/** `volume resize`: a volume grows, under its running guest or at rest. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { imageOf } from "../graph/files.ts";
import { requireAwake } from "../instances/asleep.ts";
import type { Action } from "../model/action.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Layer, State, Volume } from "../model/state.ts";
import { recordSchemas } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import type { PlanView, Step } from "../operations/steps.ts";
import type { Kind, Outcome, World } from "../ports.ts";
import { isSameFile } from "../same-file.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";
import { refuseUnsafe, requireAgreement } from "../truth.ts";
import { volumeLabel, withVolume } from "./find.ts";
import { headOf, requireDiskSize, requireIdle, requireUnfrozen } from "./requirements.ts";
import { findAttached } from "./take-in.ts";

interface ResizeData {
  readonly uuid: string | null; // of the instance it is attached to
  readonly device: string | null;
  readonly head: Layer;
  readonly sizeBytes: number;
}

export const resizeVolumeKind: Kind<ResizeData> = {
  name: "volume.resize",
  version: 1,
  data: v.object({
    uuid: v.nullable(v.string()),
    device: v.nullable(v.string()),
    head: recordSchemas.layer,
    sizeBytes: v.number(),
  }),
  recover: recoverResize,
};

/**
 * Grows a volume; its guest sees the new size at once where it runs. Only the head grows: what it stands on, and every
 * snapshot, stays as it is. One of that size is left alone. Throws "usage" for less than it has; "conflict",
 * "integrity", "host".
 */
export async function resizeVolume(world: World, target: string, sizeBytes: number): Promise<Volume | PlanView> {
  return withVolume(world, target, async (locks, early, seen) => {
    const { state, volume, status } = await findAttached(world, locks, early, seen);
    const label = volumeLabel(state, volume);
    requireDiskSize(`volume ${label}`, sizeBytes);
    const head = headOf(state, volume);
    const nowBytes = await sizeNow(world, state, volume, status);
    if (sizeBytes < nowBytes) {
      throw new EstratoError(
        "usage",
        `volume ${label}: ${humanSize(sizeBytes)} is less than the ${humanSize(nowBytes)} it has`,
        {
          hint: "A disk can grow but not shrink.",
        },
      );
    }
    requireUnfrozen(state, volume, "grow");
    await requireGrowable(world, head, label);
    const data: ResizeData = { uuid: volume.instance, device: volume.device, head, sizeBytes };
    const steps = resizeSteps(world, data, status);
    return run(world, locks, { kind: resizeVolumeKind, target: label, data, steps, result: async () => volume });
  });
}

/** Asks everybody who may know; throws where they disagree, or where somebody holds a volume that should be at rest. */
async function sizeNow(world: World, state: State, volume: Volume, status: DomainStatus | null): Promise<number> {
  const head = headOf(state, volume);
  if (status !== null) {
    refuseUnsafe(status);
    await requireAwake(world, status);
    const facts = await requireAgreement(world, state, status);
    const liveBytes = facts.find((fact) => fact.volume.id === volume.id)?.liveSizeBytes ?? null;
    if (liveBytes !== null) return Math.max(head.sizeBytes, liveBytes);
  }
  await requireIdle(world, state, volume);
  const info = await world.host.imageInfo(head.file, { shared: false, format: head.format });
  return Math.max(head.sizeBytes, info?.virtualSizeBytes ?? 0);
}

async function requireGrowable(world: World, head: Layer, label: string): Promise<void> {
  await requireSpace(world, EMPTY_HEAD_BYTES, `volume ${label}`);
  if ((await world.host.fileInfo(head.file))?.isBlockDevice !== true) return;
  throw new EstratoError("host", `volume ${label}: ${head.file} is a block device, which cannot be grown here`, {
    hint: "Grow the device itself, or take a snapshot first: what stands on it can grow.",
  });
}

function resizeSteps(world: World, data: ResizeData, status: DomainStatus | null): Step[] {
  const { uuid, device, head, sizeBytes } = data;
  const action: Action =
    status === null || status.live === null || uuid === null || device === null
      ? { do: "resize-disk", ...imageOf(head), sizeBytes }
      : { do: "block-resize", domain: uuid, device, sizeBytes };
  return [
    { id: "grow-disk", title: "Grow the disk", actions: [action] },
    { id: "record", title: "Compare and record", run: () => compareAndRecord(world, data) },
  ];
}

async function compareAndRecord(world: World, data: ResizeData): Promise<void> {
  const reached = await record(world, data);
  if (reached >= data.sizeBytes) return;
  throw new EstratoError("integrity", `${data.head.file}: it has ${reached} bytes after growing to ${data.sizeBytes}`, {
    hint: 'Run "estrato doctor".',
  });
}

/** Records the size that the file has, or the guest sees, now; returns it. It never becomes less. Idempotent. */
async function record(world: World, data: ResizeData): Promise<number> {
  const { uuid, device, head } = data;
  const status = uuid === null ? null : await world.host.domainStatus(uuid);
  const open = uuid !== null && status?.live != null ? await world.host.qemuDisks(uuid) : [];
  const own = open.find((one) => one.device === device);
  const disk = own !== undefined && (await isSameFile(world, own.chain[0] ?? "", head.file)) ? own : undefined;
  const info = await world.host.imageInfo(head.file, { shared: true, format: head.format });
  const reached = Math.max(disk?.sizeBytes ?? 0, info?.virtualSizeBytes ?? 0);
  await world.store.update((draft) => {
    const layer = draft.layers[head.id];
    if (layer !== undefined) layer.sizeBytes = Math.max(layer.sizeBytes, reached);
  });
  return reached;
}

/** What it has grown to is recorded: forward where that is what was asked for. */
async function recoverResize(world: World, _locks: unknown, data: ResizeData): Promise<Outcome> {
  return (await record(world, data)) >= data.sizeBytes ? "forward" : "back";
}
