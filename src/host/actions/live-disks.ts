/**
 * Actions on the disks of a running guest that are no block jobs: switches, saved memory, disks that come, go and grow.
 */
import { dirname } from "node:path";
import type { DomainDefinition } from "../../core/model/host.ts";
import { EstratoError } from "../../errors.ts";
import { syncNames } from "../../synced-folder.ts";
import { diskXml } from "../domain-new.ts";
import { parseDefinition } from "../domain-xml.ts";
import { createEmpty, fileInfo } from "../files.ts";
import { qemuDisks } from "../qemu-disks.ts";
import { flushedMeanwhile } from "../written-out.ts";
import { type ActionContext, type ActionOf, backOffMs, holdingLocks, withFile } from "./context.ts";
import { stateOf } from "./domains.ts";
import { watchStall } from "./stall.ts";
import { restoreMemory, switchDisks, switchXml } from "./switch-commands.ts";

/** Has it a QEMU? */
export async function isLive(context: ActionContext, domain: string): Promise<boolean> {
  const state = await stateOf(context, domain);
  return state === "running" || state === "paused" || state === "blocked" || state === "pmsuspended";
}

/** Puts a running guest's disks onto heads that are there, all or none. "conflict" where it is not running. */
export async function performSwitch(context: ActionContext, action: ActionOf<"switch-disks">): Promise<void> {
  context.virsh.prepare(holdingLocks(context));
  if (!(await isLive(context, action.domain))) {
    throw new EstratoError("conflict", `${action.domain}: the domain is not running`);
  }
  if (action.memory !== undefined) await reserveMemoryFile(action.memory);
  const watch = action.memory === undefined ? null : await watchStall(context, action.domain);
  const { memory } = action;
  // A memory takes as long as it is large: the file that it goes to grows.
  const progress = memory === undefined ? {} : { progress: async () => (await fileInfo(memory))?.sizeBytes };
  const perform = (path: string) =>
    context.virsh.batch(switchDisks(action, path), { ...holdingLocks(context), ...progress });
  const inDocument = action.disks.some(({ secret }) => secret !== undefined);
  const switchThem = async () => {
    const answers = await (inDocument ? withFile(switchXml(action), perform) : perform("")).finally(() =>
      watch?.stop(),
    );
    const error = answers.at(-1)?.error ?? null; // a guest without an agent has no time limit to set
    // The memory file stays: QEMU may have switched all the same, and then it is all that is left of that instant.
    if (error !== null) throw new EstratoError("failed", `virsh snapshot-create-as: ${error}`);
  };
  if (memory === undefined) return switchThem();
  await flushedMeanwhile(memory, switchThem);
  syncNames(dirname(memory));
}

/** libvirt writes over a file that is there, and keeps its mode (measured). */
async function reserveMemoryFile(path: string): Promise<void> {
  try {
    await createEmpty(path, 0o600);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "EEXIST") throw cause;
    throw new EstratoError("conflict", `${path}: there is a file of that name`, { cause });
  }
}

export async function performRestore(context: ActionContext, action: ActionOf<"restore-memory">): Promise<void> {
  if (await isLive(context, action.domain)) {
    throw new EstratoError("conflict", `${action.domain}: the domain is running`);
  }
  const { allocatedBytes = 0 } = (await fileInfo(action.memory)) ?? {};
  const how = { ...holdingLocks(context), extraMs: allocatedBytes / READ_BACK_BYTES_PER_MS };
  await withFile(action.xml, (path) => context.virsh.output(restoreMemory(action, path), how));
}

/** Nothing tells how far libvirt is with reading a memory: a tenth of this is the slowest that is waited for. */
const READ_BACK_BYTES_PER_MS = 100_000;

type Scope = "--config" | "--live";

async function definitionOf(context: ActionContext, domain: string, scope: Scope): Promise<DomainDefinition> {
  const inactive = scope === "--config" ? ["--inactive"] : [];
  return parseDefinition(await context.virsh.output(["dumpxml", "--domain", domain, ...inactive]));
}

/** The definition first: a guest that is cut off in between comes back with the disk that the state names. */
export async function performAttach(context: ActionContext, action: ActionOf<"attach-disk">): Promise<void> {
  const { domain, disk } = action;
  const scopes: Scope[] = (await isLive(context, domain)) ? ["--config", "--live"] : ["--config"];
  for (const scope of scopes) {
    const there = (await definitionOf(context, domain, scope)).disks.find(({ device }) => device === disk.device);
    if (there?.source === disk.path) continue;
    if (there) throw new EstratoError("conflict", `${disk.device}: the domain has another disk of that name`);
    await withFile(diskXml(disk), (path) =>
      context.virsh.output(["attach-device", "--domain", domain, "--file", path, scope], holdingLocks(context)),
    );
  }
}

/** The guest first: as long as it has the disk, so has the definition. */
export async function performDetach(context: ActionContext, action: ActionOf<"detach-disk">): Promise<void> {
  const { domain, device } = action;
  const has = async (scope: Scope) =>
    (await definitionOf(context, domain, scope)).disks.some((disk) => disk.device === device);
  const detach = (scope: Scope) =>
    context.virsh.output(["detach-disk", "--domain", domain, device, scope], holdingLocks(context));
  if ((await isLive(context, domain)) && (await has("--live"))) {
    await detach("--live").catch((error: unknown) => {
      // QEMU has asked the guest before, for somebody whose libvirtd died or whose time was up.
      if (!(error instanceof EstratoError && /already in the process of unplug/.test(error.message))) throw error;
    });
    const startedMs = context.nowMs();
    for (const ms of backOffMs()) {
      if (!(await has("--live"))) break;
      if (context.nowMs() - startedMs >= action.timeoutMs) {
        throw new EstratoError(
          "timeout",
          `${domain}: the guest did not let go of ${device} within ${action.timeoutMs} ms`,
        );
      }
      await context.sleep(ms, context.options.signal);
    }
  }
  if (await has("--config")) await detach("--config");
}

export async function performBlockResize(context: ActionContext, action: ActionOf<"block-resize">): Promise<void> {
  const { domain, device, sizeBytes } = action;
  const disk = (await qemuDisks(context.virsh, domain)).find((each) => each.device === device);
  if (!disk) throw new EstratoError("not_found", `${domain}: QEMU has no disk ${device}`);
  if (disk.sizeBytes === sizeBytes) return;
  if (disk.sizeBytes > sizeBytes) throw new EstratoError("failed", `${device}: a disk cannot become smaller`);
  await context.virsh.output(["blockresize", "--domain", domain, device, `${sizeBytes}b`], holdingLocks(context));
}
