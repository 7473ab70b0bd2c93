/** What becomes of an instance whose creation did not end. */
import { EstratoError } from "../../errors.ts";
import { forgetVolumes, isUnwritten, markUses } from "../layers/heads.ts";
import type { Action } from "../model/action.ts";
import { perform } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { requireUnheld } from "../snapshots/unheld.ts";
import { recordAttached, releaseAttached } from "./attached.ts";
import { keptName } from "./kept-definition.ts";
import { type CreateData, createDataSchema } from "./plan.ts";

export const createInstanceKind: Kind<CreateData> = {
  name: "instance.create",
  forQemu: () => true,
  version: 2,
  data: createDataSchema,
  older: { 1: withOneReservation },
  recover: recoverInstanceCreate,
  fail: undoCreate,
};

/** Until version 2 an instance had one address at most, and none started with the host. */
function withOneReservation(data: unknown): unknown {
  const { reservation, ...rest } = data as { readonly reservation: unknown };
  return { ...rest, reservations: reservation == null ? [] : [reservation], autostart: false };
}

/**
 * After a crash. Forward where the domain is defined: all that it needs was made before, and somebody may have used it
 * since, so it stays as it is. It is not started: the crash may be a week old, and `instance start` is there. Back
 * otherwise.
 */
async function recoverInstanceCreate(world: World, locks: HeldLocks, data: CreateData): Promise<Outcome> {
  const status = await world.host.domainStatus(data.instance.id);
  if (status === null) return undoCreate(world, locks, data);
  await world.store.update((draft) => {
    for (const { layer, volume, loan } of data.volumes) {
      if (loan !== undefined) draft.layers[loan.id] ??= loan;
      draft.layers[layer.id] ??= layer;
      draft.volumes[volume.id] ??= volume;
    }
    draft.instances[data.instance.id] ??= data.instance;
    recordAttached(draft, data.instance.id, data.attached);
  });
  if (data.autostart && !status.autostart)
    await perform(world, locks, [{ do: "autostart", domain: data.instance.id, on: true }]);
  const { userNetwork } = data.instance;
  if (status.live !== null && userNetwork?.backend === "qemu")
    await perform(world, locks, [{ do: "set-forwards", domain: status.uuid, forwards: userNetwork.forwards }]);
  if (data.start && status.live === null) {
    world.report.note(
      `${data.instance.name}: it was made but not started: estrato instance start ${data.instance.name}`,
    );
  }
  return "forward";
}

/**
 * Back, wholly: also what a failed creation calls, whose user was told that there is no instance.
 * Throws "integrity" rather than unlink a head that a guest has written to, "conflict" where somebody holds one.
 */
async function undoCreate(world: World, locks: HeldLocks, data: CreateData): Promise<Outcome> {
  const { id } = data.instance;
  if ((await world.host.domainStatus(id)) !== null) {
    await perform(world, locks, [
      { do: "destroy", domain: id },
      { do: "undefine", domain: id, nvram: false }, // its copy is unlinked below
    ]);
    for (const { layer } of data.volumes) await requireUnheld(world, layer.file);
  } else {
    await requireUnwritten(world, data);
  }
  const actions = data.reservations.map(
    ({ network, mac, ip }): Action => ({ do: "release-address", network, mac, ip }),
  );
  if (data.tpm !== null) actions.push({ do: "remove-tpm", domain: id });
  const { paths } = world.store;
  const files = [
    ...(data.seed === null ? [] : [data.seed]),
    paths.consoleLog(id),
    paths.record(keptName(id)),
    ...data.volumes.map(({ layer }) => layer.file),
  ];
  if (data.nvram !== null) files.push(data.nvram.to);
  await perform(world, locks, [...actions, ...files.map((path): Action => ({ do: "unlink", path }))]);
  await world.store.update((draft) => {
    forgetVolumes(draft, data.volumes);
    releaseAttached(draft, id, data.attached);
    delete draft.instances[id];
  });
  await perform(world, locks, markUses(data.volumes, false));
  return "back";
}

/** A head is empty until its guest has run: one that is not had a domain, which somebody undefined by hand since. */
async function requireUnwritten(world: World, data: CreateData): Promise<void> {
  for (const { layer } of data.volumes) {
    if (await isUnwritten(world, layer)) continue;
    throw new EstratoError(
      "integrity",
      `instance ${data.instance.name}: its domain is gone, and ${layer.file} holds what it wrote`,
      {
        hint: "Define it again (virsh define), or copy that file and remove it.",
      },
    );
  }
}
