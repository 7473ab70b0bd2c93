/**
 * `volume detach`: a disk leaves the guest, then the definition; the volume is free afterwards, and holds what was
 * written.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { definedUnder, filesUnder, hasFile } from "../files-under.ts";
import { findAgain, findInstance, findNow } from "../instances/find.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DomainStatus } from "../model/host.ts";
import type { State, Volume } from "../model/state.ts";
import { definitionsOf } from "../named-files.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, type Step, unchanged } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { isSameFile } from "../same-file.ts";
import { requireLeft } from "../snapshots/unheld.ts";
import { disagreement, headFacts, refuseUnsafe } from "../truth.ts";
import { isAttachedByUs, letGo, wasThereBefore } from "./attachment.ts";
import { storedVolume, volumeLabel, withVolume } from "./find.ts";
import { headOf, requireIdle, requireNoSnapshots } from "./requirements.ts";

interface DetachData {
  readonly uuid: string;
  readonly instance: string; // its name
  readonly volume: string;
  readonly device: string;
  readonly path: string;
}

export const detachKind: Kind<DetachData> = {
  name: "volume.detach",
  version: 1,
  data: v.object({
    uuid: v.string(),
    instance: v.string(),
    volume: v.string(),
    device: v.string(),
    path: v.string(),
  }),
  recover: (world, locks, data) => finishDetach(world, locks, data, { ask: true }),
  fail: (world, locks, data) => finishDetach(world, locks, data, { ask: false }), // he has had his time
};

/** How long a guest may take to let go of a disk, if not said otherwise. */
export const DETACH_MS = 30_000;
/** How long after an interruption. */
const AGAIN_MS = 10_000;

/**
 * Detaches a volume and waits until QEMU has let go of it. One that is attached to nothing is left alone. Throws
 * "timeout" where the guest does not answer within `timeoutMs` (nothing is recorded; repeating it goes on); "conflict"
 * where it is attached elsewhere, is the disk that a running guest stands on, or was there before estrato, and where
 * the instance has snapshots.
 */
export async function detachVolume(
  world: World,
  instance: string,
  target: string,
  timeoutMs: number,
): Promise<Volume | PlanView> {
  const { status: first } = await findInstance(world, instance);
  return withVolume(
    world,
    target,
    async (locks, state, volume) => {
      const { status } = await findAgain(world, locks, first.uuid);
      if (volume.instance === null) return unchanged(world, volume, "It is attached to nothing.");
      requireDetachable(state, status, volume);
      await requireAgreementButFor(world, state, status, volume);
      const { device } = volume;
      const data: DetachData = {
        uuid: status.uuid,
        instance: status.name,
        volume: volume.id,
        device: device ?? "",
        path: headOf(state, volume).file,
      };
      const steps = detachSteps(world, data, timeoutMs);
      return run(world, locks, {
        kind: detachKind,
        target: `${status.name} ${volumeLabel(state, volume)}`,
        data,
        steps,
        result: () => storedVolume(world, volume),
      });
    },
    [first.uuid],
  );
}

function requireDetachable(state: State, status: DomainStatus, volume: Volume): void {
  const label = volumeLabel(state, volume);
  const refuse = (why: string, hint: string) => {
    throw new EstratoError("conflict", `volume ${label}: ${why}`, { hint });
  };
  if (volume.instance !== status.uuid) {
    const other = state.instances[volume.instance ?? ""]?.name ?? volume.instance;
    refuse(
      `it is attached to ${other}, not to ${status.name}`,
      `Name that one: estrato volume detach ${other} ${label}.`,
    );
  }
  refuseUnsafe(status);
  requireNoSnapshots(state, status.uuid, status.name, "detached");
  if (wasThereBefore(state, volume) && !isAttachedByUs(status.inactive, volume)) {
    refuse(
      `it was a disk of ${status.name} before estrato was here`,
      `Release the instance (estrato instance release ${status.name}), and detach it with virsh.`,
    );
  }
  const [root] = volumesOf(state, status.uuid).values();
  if (status.live !== null && root?.id === volume.id) {
    refuse(`${status.name} runs from it`, `Stop it first: estrato instance stop ${status.name}.`);
  }
  if (status.live !== null && status.state !== "running") {
    refuse(
      `${status.name} is ${status.state}, and its guest cannot let go`,
      `Resume it first: estrato instance resume ${status.name}.`,
    );
  }
}

/**
 * As everywhere; but a guest that answered a detachment only after its time was up has let go of this very disk
 * already.
 */
async function requireAgreementButFor(world: World, state: State, status: DomainStatus, volume: Volume): Promise<void> {
  const facts = await headFacts(world, state, status);
  const others = facts.filter(
    (fact) =>
      fact.volume.id !== volume.id || fact.qemu !== null || fact.live !== null || fact.persistent !== fact.recorded,
  );
  const difference = disagreement(status, status.live === null ? facts : others);
  if (difference === null) return;
  throw new EstratoError("integrity", `instance ${status.name}: ${difference}`, {
    hint: 'Run "estrato doctor --repair".',
  });
}

function detachSteps(world: World, data: DetachData, timeoutMs: number): Step[] {
  const { uuid, device } = data;
  return [
    { id: "detach-disk", title: "Detach the disk", actions: [{ do: "detach-disk", domain: uuid, device, timeoutMs }] },
    { id: "look-for-holders", title: "Look whether anybody holds it", run: () => requireDetached(world, data) },
    { id: "record", title: "Record it", run: () => recordDetached(world, data.uuid, data.volume) },
  ];
}

async function requireDetached(world: World, data: DetachData): Promise<void> {
  const { status } = await findNow(world, data.uuid);
  const isNamed = [status.inactive, ...(status.live === null ? [] : [status.live])].some((definition) =>
    definition.disks.some(({ device }) => device === data.device),
  );
  if (isNamed || (await isOpen(world, status, data))) {
    throw new EstratoError("integrity", `instance ${status.name}: it still has ${data.device} after detaching it`, {
      hint: 'Run "estrato doctor".',
    });
  }
  const state = await world.store.read();
  const volume = state.volumes[data.volume];
  if (volume !== undefined) await requireIdle(world, state, volume);
}

async function isOpen(world: World, status: DomainStatus, { uuid, device, path }: DetachData): Promise<boolean> {
  if (status.live === null) return false;
  return (await world.host.qemuDisks(uuid)).some((disk) => disk.device === device || disk.chain[0] === path);
}

/** Idempotent. */
export async function recordDetached(world: World, uuid: string, id: string): Promise<void> {
  await world.store.update((draft) => {
    const volume = draft.volumes[id];
    if (volume?.instance === uuid) letGo(volume);
  });
}

async function everySame(world: World, files: readonly string[], file: string): Promise<boolean> {
  for (const one of files) if (!(await isSameFile(world, one, file))) return false;
  return true;
}

/**
 * A detachment that never ended. A running guest may have been asked, which nobody can take back, and may let go at any
 * time: he is asked again. Back where he does not let go, and where he is off and defined with the disk. Done where the
 * name of the disk is another disk's by now: that one is not ours to take out.
 */
async function finishDetach(
  world: World,
  locks: HeldLocks,
  data: DetachData,
  { ask }: { readonly ask: boolean },
): Promise<Outcome> {
  if ((await world.store.read()).volumes[data.volume]?.instance !== data.uuid) return "forward";
  const status = await world.host.domainStatus(data.uuid);
  if (status !== null) {
    const isDefined = await hasFile(world, await definedUnder(world, status.inactive), data.path);
    const isHeld = await hasFile(world, await filesUnder(world, status), data.path);
    if (status.live === null && isDefined) return "back";
    if (!ask && isHeld) return "back";
    const named = definitionsOf(status).flatMap(({ disks }) => disks.filter(({ device }) => device === data.device));
    const sources = named.map(({ source }) => source ?? "");
    const isAnothers = !(await everySame(world, sources, data.path));
    if (isAnothers && (isDefined || isHeld)) return "back"; // the other lies on it
    if (!isAnothers) {
      try {
        await perform(world, locks, [
          { do: "detach-disk", domain: data.uuid, device: data.device, timeoutMs: AGAIN_MS },
        ]);
      } catch (error) {
        if (error instanceof EstratoError && error.code === "timeout") return "back";
        throw error;
      }
    }
    await requireLeft(world, locks, data.uuid, data.path);
  }
  await recordDetached(world, data.uuid, data.volume);
  return "forward";
}
