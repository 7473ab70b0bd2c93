/** What deleting an instance would take with it, and what it must not. */

import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import { sizedAndDated } from "../loss-words.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Image, Instance, Schedule, Snapshot, State, Volume } from "../model/state.ts";
import type { World } from "../ports.ts";
import { schedulesOf } from "../schedules/find.ts";
import { shelfOf } from "../shelving/record.ts";
import { snapshotLabel } from "../snapshots/find.ts";
import { snapshotsOf } from "../snapshots/names.ts";
import { refuseUnsafe } from "../truth.ts";
import { wasThereBefore } from "../volumes/attachment.ts";
import { lookUpInstance, requireNoneLost } from "./find.ts";
import { requireNobodysElse } from "./other-stores.ts";
import { volumesOf } from "./volumes-of.ts";

export interface Doomed {
  readonly uuid: string;
  readonly name: string;
  readonly state: State;
  readonly status: DomainStatus | null; // null: libvirt has lost it
  readonly record: Instance | null; // null: never adopted
  readonly volumes: readonly Volume[]; // go with it
  readonly kept: readonly Volume[]; // are detached
  readonly foreign: readonly Volume[]; // disks that were there before us: given back
  readonly snapshots: readonly Snapshot[];
  readonly image: Image | null; // that it is shelved in
  readonly schedules: readonly Schedule[]; // go with it
}

/**
 * Sorts out what an instance's deletion means. Throws "not_found"; "conflict" where a snapshot of it is protected,
 * where it is another store's, or where libvirt holds something that undefining would break or be refused for.
 */
export async function findDoomed(world: World, target: string, keepVolumes: boolean): Promise<Doomed> {
  const { state, status, record } = await lookUpInstance(world, target);
  const uuid = status?.uuid ?? record?.id ?? target;
  const name = status?.name ?? record?.name ?? target;
  if (status !== null) {
    refuseUnsafe(status, true);
    await requireNoneLost(world, [status]);
  }
  if (status !== null) await requireNobodysElse(world, state, status);
  const snapshots = snapshotsOf(state, uuid);
  const kept = snapshots.find((snapshot) => snapshot.protected);
  if (kept !== undefined) {
    throw new EstratoError("conflict", `instance ${name}: its snapshot ${kept.name} is protected`, {
      hint: `Lift that first: estrato snapshot set ${snapshotLabel(state, kept)} --unprotect.`,
    });
  }
  const image = shelfOf(state, uuid)?.image ?? null;
  if (image?.protected === true) {
    throw new EstratoError(
      "conflict",
      `instance ${name}: the image ${image.name}, in which it is shelved, is protected`,
      {
        hint: `Lift that first: estrato image set ${image.name} --unprotect.`,
      },
    );
  }
  const volumes = [...volumesOf(state, uuid).values()];
  const foreign = keepVolumes ? [] : volumes.filter((volume) => wasThereBefore(state, volume));
  const goes = (volume: Volume) => !keepVolumes && volume.deleteWithInstance && !foreign.includes(volume);
  return {
    uuid,
    name,
    state,
    status,
    record,
    volumes: volumes.filter(goes),
    kept: volumes.filter((volume) => !goes(volume) && !foreign.includes(volume)),
    foreign,
    snapshots,
    image,
    schedules: schedulesOf(state, uuid),
  };
}

/** What a person is told before the yes: losses only. */
export function losses(world: World, doomed: Doomed): string[] {
  const age = ({ createdAt }: { readonly createdAt: string }) => sizedAndDated(world, null, createdAt);
  const running = doomed.status?.live == null ? [] : ["what is in its memory: it runs"];
  const saved = doomed.status?.managedSave ? ["the memory that libvirt saved of it"] : [];
  const definition = doomed.record === null ? ["its definition (its disks stay)"] : [];
  const disks = doomed.volumes.map((volume) => {
    const sizeBytes = doomed.state.layers[volume.head]?.sizeBytes ?? 0;
    return `disk ${volume.device} (${volume.id}, ${humanSize(sizeBytes)})${age(volume)}`;
  });
  const snapshots = doomed.snapshots.map(
    (snapshot) => `snapshot ${snapshotLabel(doomed.state, snapshot)}${age(snapshot)}`,
  );
  const schedules = doomed.schedules.map(
    ({ name, task }) => `schedule ${name} (its ${task.kind}s are no longer taken)`,
  );
  return [...running, ...saved, ...definition, ...disks, ...snapshots, ...schedules];
}
