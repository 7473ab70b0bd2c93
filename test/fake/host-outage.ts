/** libvirt's daemon is gone: what the machine still does, and what fails or falls silent. */
import type { Action } from "../../src/core/model/action.ts";
import type { HostPort } from "../../src/core/ports.ts";
import { EstratoError } from "../../src/errors.ts";
import type { CrashPhase, FakeHost } from "./host.ts";
import { carryOut } from "./host-actions.ts";
import { actionSpeaks, callSpeaks, METHODS } from "./libvirt-calls.ts";

/** Nobody hears that nothing answered: the agent may be silent too. */
const SILENT: ReadonlySet<string> = new Set<keyof HostPort | Action["do"]>([
  "agentPing",
  "agentFreezeStatus",
  "agentAddresses",
  "await-job",
  "sync-clock",
  "thaw",
]);

const ANSWERS: Partial<Record<keyof HostPort, unknown>> = { agentPing: false };

/**
 * From the index-th action on (from 0, in the order of `performed`) libvirt answers nothing. That action, where it
 * speaks to libvirt: not done ("before"), half done ("midway") or done ("after"); either way it fails.
 */
export function withOutage(host: FakeHost, at: { readonly index: number; readonly phase: CrashPhase }): void {
  const { perform } = host;
  let isGone = false;
  const gone = (what: string) =>
    new EstratoError("host", `virsh ${what}: failed to connect to the hypervisor`, { hint: "Start libvirt's daemon." });
  for (const method of Object.keys(METHODS) as (keyof HostPort)[]) {
    if (method === "perform") continue;
    const call = host[method] as (...args: unknown[]) => unknown;
    Object.assign(host, {
      [method]: (...args: unknown[]): unknown => {
        if (!isGone || !callSpeaks(method, args)) return call(...args);
        return SILENT.has(method) ? Promise.resolve(ANSWERS[method] ?? null) : Promise.reject(gone(method));
      },
    });
  }
  host.perform = async (action, options) => {
    const isFirst = !isGone && host.performed.length === at.index;
    isGone ||= isFirst;
    if (!isGone || !actionSpeaks(action)) return perform(action, options);
    (host.performed as Action[]).push(action);
    if (isFirst && at.phase !== "before") carryOut(host.machine, action, at.phase === "midway" ? "half" : "whole");
    if (!SILENT.has(action.do)) throw gone(action.do);
  };
}
