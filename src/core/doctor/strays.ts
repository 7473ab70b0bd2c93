/**
 * Snapshots that a backup or an image was made through, and that stayed: 0.1.0 could end such an operation while the
 * snapshot that it had begun was still to be finished. Nothing else ever removes them.
 */
import type { Snapshot, State } from "../model/state.ts";
import { deleteLocked } from "../snapshots/delete.ts";
import { snapshotLabel, snapshotLocks } from "../snapshots/find.ts";
import type { Finding } from "./finding.ts";

/** The names that `backup create` and `image create` give; what a person has set on one makes it his. */
const OURS = /^(backup-bak|image-img)-[0-9a-f]{17}$/;

/** To be asked only where no operation is under way: one that is needs its snapshot. */
export function examineStrays(state: State): Finding[] {
  return Object.values(state.snapshots)
    .filter(isStray)
    .map((snapshot) => {
      const label = snapshotLabel(state, snapshot);
      return {
        subject: `snapshot ${label}`,
        problem: `${snapshot.name.startsWith("backup-") ? "a backup" : "an image"} was being made through it, and left it behind`,
        remedy: "Delete it: nobody asked for it.",
        mending: {
          locks: snapshotLocks(state, snapshot),
          loses: [],
          mend: async (world, locks) => {
            const now = await world.store.read();
            const again = now.snapshots[snapshot.id];
            if (again !== undefined && isStray(again)) await deleteLocked(world, locks, now, [again]);
          },
        },
      };
    });
}

function isStray({ name, description, properties, expiresAt, ...snapshot }: Snapshot): boolean {
  const isBare = description === null && Object.keys(properties).length === 0 && expiresAt === null;
  return OURS.test(name) && isBare && !snapshot.protected && !snapshot.automatic;
}
