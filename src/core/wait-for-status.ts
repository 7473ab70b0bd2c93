/** Waiting for a status of what is no instance: a snapshot, a volume, a backup. */
import { didYouMean } from "../did-you-mean.ts";
import { EstratoError } from "../errors.ts";
import type { BackupView } from "./backups/list.ts";
import type { World } from "./ports.ts";
import type { SnapshotView } from "./snapshots/list.ts";
import type { VolumeView } from "./volumes/view.ts";
import { waitUntil } from "./waiting.ts";

/** What has a status that others change: the words of each, as their lists print them. */
export const STATUSES = {
  snapshot: ["available", "expired"] satisfies SnapshotView["status"][],
  volume: ["available", "in-use", "error"] satisfies VolumeView["status"][],
  backup: ["available", "merging", "damaged"] satisfies BackupView["status"][],
} as const;

export type Waitable = keyof typeof STATUSES;

/** The status in `status=available`. Throws "usage" for another goal, and for one that no such thing has. */
export function parseStatus(kind: Waitable, goal: string): string {
  const status = /^status=(.+)$/.exec(goal)?.[1];
  const words = STATUSES[kind];
  if (status === undefined) {
    throw new EstratoError("usage", `--for ${goal}: not something to wait for of a ${kind}`, {
      hint: `Use status=${words.join(", status=")}.`,
    });
  }
  if (words.some((word) => word === status)) return status;
  throw new EstratoError("usage", `--for status=${JSON.stringify(status)}: no ${kind} ever has that status`, {
    hint: didYouMean(status, words, `A ${kind} is one of ${words.join(", ")}.`),
  });
}

/**
 * Returns when the thing has this status; `look` finds it anew. Throws what `look` throws, "not_found" among it, and
 * "timeout".
 */
export async function waitForStatus(
  world: World,
  what: string, // "snapshot web1/before"
  status: string,
  timeoutMs: number,
  look: () => Promise<{ readonly status: string }>,
): Promise<void> {
  const isSo = await waitUntil(world, timeoutMs, async () =>
    (await look()).status === status ? null : `status ${status} of ${what}`,
  );
  if (isSo) return;
  throw new EstratoError("timeout", `${what}: no status ${status} within ${Math.round(timeoutMs / 1000)} s`, {
    hint: "Wait longer with --timeout.",
  });
}
