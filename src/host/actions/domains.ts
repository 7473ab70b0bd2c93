/** Actions on a domain as a whole: its definition and its life. */
import type { Action } from "../../core/model/action.ts";
import type { DomainState } from "../../core/model/host.ts";
import { EstratoError } from "../../errors.ts";
import { agentThaw } from "../agent.ts";
import { editDefinition } from "../domain-edit.ts";
import { markWords } from "../domain-marks.ts";
import { parseState } from "../domain-status.ts";
import { failure, lastWords } from "../process-failure.ts";
import { isNoSuchDomain } from "../virsh.ts";
import {
  type ActionContext,
  type ActionOf,
  backOffMs,
  holdingLocks,
  isOff,
  requireProgress,
  virshWords,
  withFile,
} from "./context.ts";

/** The state of a domain now; null where there is none. */
export async function stateOf(context: ActionContext, domain: string): Promise<DomainState | null> {
  const result = await context.virsh.run(["domstate", "--domain", domain]);
  if (result.exit === 0) return parseState(result.stdout).state;
  if (isNoSuchDomain(result.stderr)) return null;
  throw new EstratoError("failed", `virsh domstate: ${lastWords(result.stderr) ?? `exit code ${result.exit}`}`);
}

export async function performThaw(context: ActionContext, action: ActionOf<"thaw">): Promise<void> {
  await agentThaw(context.virsh, action.domain);
}

/**
 * virsh may be dead and libvirt at work all the same: saving memory takes seconds. Nothing to wait for where the domain
 * is off.
 */
export async function performAwaitJob(context: ActionContext, action: ActionOf<"await-job">): Promise<void> {
  const requireMore = requireProgress(context, `${action.domain}: what libvirt does for another command`);
  for (const ms of backOffMs()) {
    const { exit, stdout } = await context.virsh.run(["domjobinfo", "--domain", action.domain]);
    if (exit !== 0 || !/^Job type:\s+(Bounded|Unbounded)/m.test(stdout)) return;
    requireMore(stdout.replace(/^Time .*$/gm, "")); // it runs on, whatever is done
    await context.sleep(ms, context.options.signal);
  }
}

/** The agent may be silent, or the guest have no clock that it can read: nothing is lost then but the time. */
export async function performSyncClock(context: ActionContext, action: ActionOf<"sync-clock">): Promise<void> {
  const { domain } = action;
  const limit = ["guest-agent-timeout", "--domain", domain, "--timeout", "5"];
  await context.virsh.batch([limit, ["domtime", "--domain", domain, "--sync"]], holdingLocks(context));
}

export async function performDefine(context: ActionContext, action: ActionOf<"define">): Promise<void> {
  await withFile(action.xml, (path) => context.virsh.output(["define", "--file", path], holdingLocks(context)));
}

export async function performRedefine(context: ActionContext, action: ActionOf<"redefine">): Promise<void> {
  const question = ["dumpxml", "--domain", action.domain, "--inactive", "--security-info"];
  const xml = action.xml ?? (await context.virsh.output(question));
  const disks = Object.fromEntries(action.disks.map(({ device, ...file }) => [device, file]));
  const edited = editDefinition(xml, { disks, dropBackingStore: true });
  if (edited.trim() !== xml.trim()) await performDefine(context, { do: "define", xml: edited });
}

/** Runs the action's command; a failure counts only where the domain is not as it should be afterwards. */
async function performTowards(
  context: ActionContext,
  action: Action & { readonly domain: string },
  isDone: (state: DomainState | null) => boolean,
): Promise<void> {
  const words = virshWords(action);
  if (!words) return;
  const result = await context.virsh.run(words, holdingLocks(context));
  if (result.exit === 0 || isDone(await stateOf(context, action.domain))) return;
  throw failure(context.virsh.command(...words), result);
}

const isRunning = (state: DomainState | null) => state === "running" || state === "blocked";

/** The simple verbs, each of which finds its work done where the domain is there already. */
export async function performLife(
  context: ActionContext,
  action: ActionOf<"undefine" | "start" | "destroy" | "suspend" | "resume" | "autostart" | "reboot">,
): Promise<void> {
  switch (action.do) {
    case "undefine":
      return performTowards(context, action, (state) => state === null);
    case "start":
      return performTowards(context, action, (state) => isRunning(state) || state === "paused");
    case "destroy":
      return performTowards(context, action, isOff);
    case "suspend":
      return performTowards(context, action, (state) => state === "paused");
    case "resume":
      return performTowards(context, action, isRunning);
    case "autostart":
    case "reboot":
      return performTowards(context, action, () => false);
  }
}

/**
 * The persistent definition, by which marks are found, and the live one, from which people define guests anew. Each has
 * its own call: one for both is refused whole where the guest is off.
 */
export async function performMark(context: ActionContext, action: ActionOf<"mark-domain">): Promise<void> {
  const words = markWords(action.domain, action.mark, action.on);
  const both = ["--config", "--live"].map((where) => [...words, where]);
  const [config, live] = await context.virsh.batch(both, holdingLocks(context));
  const error = config?.error ?? (live?.error != null && !/not running/.test(live.error) ? live.error : null);
  if (error === null || (!action.on && isNoSuchDomain(error))) return;
  throw new EstratoError("failed", `virsh metadata: ${error}`);
}

export async function performRename(context: ActionContext, action: ActionOf<"rename">): Promise<void> {
  const words = virshWords(action);
  if (!words) return;
  const result = await context.virsh.run(words, holdingLocks(context));
  if (result.exit === 0) return;
  const name = await context.virsh.run(["domname", "--domain", action.domain]);
  if (name.stdout.replace(/\n+$/, "") === action.name) return;
  throw new EstratoError("failed", `virsh domrename: ${lastWords(result.stderr) ?? `exit code ${result.exit}`}`);
}

/** A guest that boots does not hear the button yet: it is pressed again now and then. */
const PRESS_AGAIN_MS = 5000;

/** Asks the guest to power off and waits. "timeout" where it has not after `timeoutMs`, unless it is then cut off. */
export async function performShutdown(context: ActionContext, action: ActionOf<"shutdown">): Promise<void> {
  const startedMs = context.nowMs();
  let pressedMs = Number.NEGATIVE_INFINITY;
  for (let waitMs = 20; ; waitMs = Math.min(waitMs * 2, 500)) {
    if (isOff(await stateOf(context, action.domain))) return;
    // At least once, also where nobody waits for the guest to obey.
    if (context.nowMs() - pressedMs >= PRESS_AGAIN_MS) {
      pressedMs = context.nowMs();
      const result = await context.virsh.run(["shutdown", "--domain", action.domain], holdingLocks(context));
      if (result.exit !== 0 && isOff(await stateOf(context, action.domain))) return;
    }
    if (context.nowMs() - startedMs >= action.timeoutMs) break;
    await context.sleep(waitMs, context.options.signal);
  }
  if (!action.thenDestroy) {
    throw new EstratoError("timeout", `${action.domain}: the guest did not power off within ${action.timeoutMs} ms`);
  }
  await performLife(context, { do: "destroy", domain: action.domain });
}
