/**
 * Block jobs of a running guest. virsh's own --wait looks every 0.5 s, so we start a job without it and look ourselves.
 * A job that failed simply disappears: only the chain that QEMU has afterwards says what became of it.
 */
import { EstratoError } from "../../errors.ts";
import { type BlockJob, blockJobWords, parseBlockJob } from "../block-job.ts";
import { diskMirrors } from "../domain-xml.ts";
import { assertNotFrozen } from "../files.ts";
import { flushDisk, qemuDisks } from "../qemu-disks.ts";
import { type ActionContext, type ActionOf, backOffMs, holdingLocks, requireProgress, virshWords } from "./context.ts";
import { stateOf } from "./domains.ts";

/** Pulls what lies between the head and `base` into the head. Done where nothing lies between. */
export async function performBlockPull(context: ActionContext, action: ActionOf<"block-pull">): Promise<void> {
  await mergeJob(context, action, (chain) => (chain[1] ?? null) === action.base);
}

/**
 * Commits the layers from `top` down into `base`, which both lie below the head. Done where `top` is gone from the
 * chain.
 */
export async function performBlockCommit(context: ActionContext, action: ActionOf<"block-commit">): Promise<void> {
  await mergeJob(context, action, (chain) => !chain.includes(action.top) && chain.includes(action.base));
}

async function mergeJob(
  context: ActionContext,
  action: ActionOf<"block-pull"> | ActionOf<"block-commit">,
  isMerged: (chain: readonly string[]) => boolean,
): Promise<void> {
  context.virsh.prepare(holdingLocks(context));
  await waitForEnd(context, action); // a job of ours that a crash left behind
  if (!isMerged(await chainOf(context, action))) {
    await start(context, action);
    await waitForEnd(context, action);
    if (!isMerged(await chainOf(context, action))) throw vanished(action);
  }
  await flush(context, action);
}

/**
 * QEMU before 10 ends a pull with the head's header switched and the tables of what was pulled still in its memory:
 * killed then, the head reads wrong (measured on 7.2). Until this has returned nothing that was merged may be removed.
 */
function flush(context: ActionContext, disk: Disk): Promise<void> {
  return flushDisk(context.virsh, disk.domain, disk.device);
}

/** The guest goes on in `base`: the job copies until it is ready, then QEMU is switched over. */
export async function performBlockCommitActive(
  context: ActionContext,
  action: ActionOf<"block-commit-active">,
): Promise<void> {
  const isMerged = (chain: readonly string[]) => chain[0] === action.base;
  if ((await mirrorOf(context, action)) === null) {
    await waitForEnd(context, action);
    if (isMerged(await chainOf(context, action))) return flush(context, action);
    await start(context, action);
  }
  await waitForReady(context, action);
  if (action.part === "ready") return;
  await pivot(context, action);
  if (!isMerged(await chainOf(context, action))) throw vanished(action);
  await flush(context, action);
}

/**
 * Brings a job that a crash left behind to an end, whichever it is. Nothing to do where there is none, or no running
 * guest.
 */
export async function performSettleJob(context: ActionContext, action: ActionOf<"settle-job">): Promise<void> {
  const state = await stateOf(context, action.domain);
  if (state === null || state === "shutoff" || state === "crashed") return;
  // Somebody has taken the disk out since
  if ((await qemuDisks(context.virsh, action.domain)).every(({ device }) => device !== action.device)) return;
  await requireNoOthers(context, action);
  if (action.abort) {
    await context.virsh.run(["blockjob", "--domain", action.domain, action.device, "--abort"], holdingLocks(context));
    await waitForEnd(context, action);
  } else if ((await mirrorOf(context, action)) === null) {
    await waitForEnd(context, action);
  } else {
    await waitForReady(context, action);
    await pivot(context, action);
  }
  await flush(context, action);
}

/** What virsh calls the jobs that none of ours is: to pivot such a one, or to end it, is for who began it. */
const OF_OTHERS = new Set(["Block Copy", "Backup"]);

async function requireNoOthers(context: ActionContext, disk: Disk): Promise<void> {
  const type = (await jobOf(context, disk))?.type;
  if (type === undefined || !OF_OTHERS.has(type)) return;
  throw new EstratoError(
    "conflict",
    `${disk.domain}: another tool's block job (${type}) is under way on ${disk.device}`,
    {
      hint: `Wait for its end, or see "virsh blockjob ${disk.domain} ${disk.device}".`,
    },
  );
}

interface Disk {
  readonly domain: string;
  readonly device: string;
}

/** QEMU of another user is stopped by the mode; QEMU as root would not be. */
async function start(
  context: ActionContext,
  action: ActionOf<"block-pull" | "block-commit" | "block-commit-active">,
): Promise<void> {
  if (action.do !== "block-pull") await assertNotFrozen(action.base);
  const words = virshWords(action);
  if (words) await context.virsh.output(words, holdingLocks(context));
}

async function jobOf(context: ActionContext, { domain, device }: Disk): Promise<BlockJob | null> {
  return parseBlockJob(await context.virsh.output(blockJobWords(domain, device)));
}

/** Null also for one that only libvirt's definition still names (DomainJob). */
async function mirrorOf(context: ActionContext, disk: Disk): Promise<{ ready: boolean } | null> {
  const xml = await context.virsh.output(["dumpxml", "--domain", disk.domain]);
  const found = diskMirrors(xml).find((mirror) => mirror.device === disk.device);
  return found === undefined || (await jobOf(context, disk)) === null ? null : found;
}

async function chainOf(context: ActionContext, { domain, device }: Disk): Promise<readonly string[]> {
  const disk = (await qemuDisks(context.virsh, domain)).find((each) => each.device === device);
  if (!disk) throw new EstratoError("not_found", `${domain}: QEMU has no disk ${device}`);
  return disk.chain;
}

/**
 * Returns when the disk has no job. An interruption aborts the job first: the guest's disk reads the same without it.
 */
async function waitForEnd(context: ActionContext, disk: Disk): Promise<void> {
  const requireMore = requireProgress(context, `${disk.domain}: the block job on ${disk.device}`);
  for (const ms of backOffMs()) {
    const job = await jobOf(context, disk);
    if (job === null) return;
    requireMore(job);
    context.options.onProgress?.(job.fraction);
    await sleepOrAbort(context, disk, ms);
  }
}

/** Returns when the mirror may be pivoted. "failed" where it is gone before. */
async function waitForReady(context: ActionContext, disk: Disk): Promise<void> {
  const requireMore = requireProgress(context, `${disk.domain}: the block job on ${disk.device}`);
  for (const ms of backOffMs()) {
    const mirror = await mirrorOf(context, disk);
    if (mirror === null) throw vanished(disk);
    if (mirror.ready) return;
    const job = await jobOf(context, disk);
    requireMore(job);
    if (job) context.options.onProgress?.(job.fraction);
    await sleepOrAbort(context, disk, ms);
  }
}

async function pivot(context: ActionContext, disk: Disk): Promise<void> {
  await context.virsh.output(["blockjob", "--domain", disk.domain, disk.device, "--pivot"], holdingLocks(context));
  await waitForEnd(context, disk);
}

async function sleepOrAbort(context: ActionContext, disk: Disk, ms: number): Promise<void> {
  try {
    await context.sleep(ms, context.options.signal);
  } catch (error) {
    await context.virsh.run(["blockjob", "--domain", disk.domain, disk.device, "--abort"], holdingLocks(context));
    throw error;
  }
}

function vanished(disk: Disk): EstratoError {
  return new EstratoError("failed", `${disk.domain}: the block job on ${disk.device} ended without having merged`, {
    hint: "The guest's log under /var/log/libvirt/qemu says why.",
  });
}
