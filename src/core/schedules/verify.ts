/** Before anything older goes for it: is what was taken, with all that it builds on, what was written? */

import { EstratoError } from "../../errors.ts";
import { bootSound } from "../backups/boot.ts";
import type { BackupView } from "../backups/list.ts";
import { nextShare } from "../backups/share.ts";
import type { Proof } from "../backups/take.ts";
import { type Verified, verifyBackup } from "../backups/verify.ts";
import type { Schedule, ScheduledBackup, Verification } from "../model/state.ts";
import type { World } from "../ports.ts";

/** That what a schedule took is verified as it says; one that is not keeps its place beside all that were there. */
export function proofBy(world: World, schedule: Schedule, task: ScheduledBackup, verify: Verification): Proof {
  return {
    title: verify.kind === "boot" ? "Read it, and start a guest from it" : `Read ${verify.percent}% of it`,
    prove: (made) => verifyTaken(world, schedule, task, verify, made),
  };
}

/**
 * Verifies a backup that is there: a share of it and of all that it builds on, or all, and that a guest starts from it.
 * Each night's share follows the last one's, so that in 100/N nights all is read that stood through them. What is
 * damaged is remembered in the target. Throws "integrity" where it is damaged, or boots not; whatever else keeps it
 * from being verified is thrown too, and a note says that the backup is there.
 */
async function verifyTaken(
  world: World,
  schedule: Schedule,
  { passphraseFile }: Pick<ScheduledBackup, "passphraseFile">,
  verify: Verification,
  { id, target }: Pick<BackupView, "id" | "target">,
): Promise<void> {
  let verified: Verified | undefined;
  try {
    verified = await verifyBackup(world, [target], id, verify.kind === "share" ? verify : null);
    if (verify.kind === "share") await goOn(world, schedule, verify);
    else {
      const { timeoutMs, consoleText } = verify;
      [verified] = await bootSound(world, [verified], {
        ...{ timeoutMs, consoleText, screenshot: null, passphraseFile },
      });
    }
  } catch (error) {
    world.report.note(`${schedule.name}: backup ${id} is there, and could not be verified`);
    throw error;
  }
  if (verified === undefined || verified.status === "ok") return;
  const { status, problems } = verified;
  for (const problem of problems.slice(1)) world.report.note(`${id}: ${problem}`);
  throw new EstratoError("integrity", `backup ${id}: ${status}: ${problems[0] ?? "it is not what was written"}`, {
    hint:
      status === "damaged"
        ? "Take a new one now; what is damaged cannot be restored, and the next one does not build on it."
        : "Every byte is as it was written: look at its screen (estrato backup verify --boot --screenshot).",
  });
}

/** The next night reads what follows, unless somebody has chosen another share meanwhile. */
async function goOn(world: World, { id }: Schedule, done: Extract<Verification, { kind: "share" }>): Promise<void> {
  await world.store.update((draft) => {
    const task = draft.schedules[id]?.task;
    const now = task?.kind === "backup" ? task.verify : null;
    if (now?.kind === "share" && now.from === done.from) now.from = nextShare(done).from;
  });
}
