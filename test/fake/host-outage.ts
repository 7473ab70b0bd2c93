/** libvirt's daemon is gone: what the machine still does, and what fails or falls silent. */
import type { Action } from "../../src/core/model/action.ts";
import type { HostPort } from "../../src/core/ports.ts";
import { EstratoError } from "../../src/errors.ts";
import type { CrashPhase, FakeHost } from "./host.ts";
import { carryOut } from "./host-actions.ts";

/** fails: it speaks to libvirt, and says so. silent: the same, and nobody hears that nothing answered (the agent may be silent too). no: it needs no libvirt. */
type Speaks = "fails" | "silent" | "no";

const METHODS: Readonly<Record<keyof HostPort, Speaks>> = {
  listDomains: "fails",
  domainOutlines: "fails",
  domainStatus: "fails",
  domainStatuses: "fails",
  strayProcesses: "fails",
  qemuDisks: "fails",
  agentPing: "silent",
  agentFreezeStatus: "silent",
  agentAddresses: "silent",
  imageInfo: "no",
  // Of an encrypted file these ask libvirt for its secret: see `speaks`.
  ownExtents: "no",
  convertedBytes: "no",
  countFaults: "no",
  sameContent: "no",
  dataPlaces: "no",
  inspectUntrusted: "no",
  readSharedLayer: "no",
  users: "no",
  blockedFolders: "no",
  readText: "no",
  crontab: "no",
  cronLine: "no",
  holdFile: "no",
  listSecrets: "fails",
  checkPassphrase: "no",
  fileInfo: "no",
  listFolder: "no",
  blockSums: "no",
  freeBytes: "no",
  network: "fails",
  listNetworks: "fails",
  capabilities: "fails",
  editDefinition: "no",
  newDefinition: "fails",
  parseDefinition: "no",
  memoryDefinition: "fails",
  screenshot: "fails",
  consoleCommand: "no",
  sshGreets: "no",
  interactive: "no",
  commandsFor: "no",
  perform: "no", // by its action
  letGo: "no",
};

const ACTIONS: Readonly<Record<Action["do"], Speaks>> = {
  "create-disk": "no",
  "switch-disks": "fails",
  "restore-memory": "fails",
  "attach-disk": "fails",
  "detach-disk": "fails",
  "block-resize": "fails",
  "await-job": "silent",
  "sync-clock": "silent",
  thaw: "silent",
  sync: "no",
  define: "fails",
  redefine: "fails",
  undefine: "fails",
  start: "fails",
  destroy: "fails",
  shutdown: "fails",
  reboot: "fails",
  suspend: "fails",
  resume: "fails",
  autostart: "fails",
  rename: "fails",
  commit: "no",
  rebase: "no",
  relink: "no",
  "block-pull": "fails",
  "block-commit": "fails",
  "block-commit-active": "fails",
  "settle-job": "fails",
  "close-unused": "fails",
  "define-secret": "fails",
  "undefine-secret": "fails",
  "set-mode": "no",
  "set-access": "no",
  "open-passage": "no",
  "make-folder": "no",
  "remove-folder": "no",
  "write-file": "no",
  "mark-use": "no",
  "run-hook": "no",
  "set-crontab": "no",
  "set-owner": "no",
  unlink: "no",
  "copy-file": "no",
  "save-tpm": "no",
  "place-tpm": "fails",
  "remove-tpm": "fails",
  convert: "no",
  "convert-delta": "no",
  "move-folder": "no",
  "discard-folder": "no",
  "move-file": "no",
  "resize-disk": "no",
  "reserve-address": "fails",
  "release-address": "fails",
  "create-seed": "no",
};

/** What an action, or the question about a file, needs of libvirt; whatever names a secret asks libvirt for it. */
export function speaks(action: Action): Speaks {
  return ACTIONS[action.do] === "no" && hasSecret(action) ? "fails" : ACTIONS[action.do];
}

const hasSecret = (value: unknown): boolean => typeof (value as { secret?: unknown } | null)?.secret === "string";

const ANSWERS: Partial<Record<keyof HostPort, unknown>> = { agentPing: false };

/**
 * From the index-th action on (from 0, in the order of `performed`) libvirt answers nothing. That action, where it speaks to libvirt: not done ("before"),
 * half done ("midway") or done ("after"); either way it fails.
 */
export function withOutage(host: FakeHost, at: { readonly index: number; readonly phase: CrashPhase }): void {
  const { perform } = host;
  let isGone = false;
  const gone = (what: string) =>
    new EstratoError("host", `virsh ${what}: failed to connect to the hypervisor`, { hint: "Start libvirt's daemon." });
  for (const [method, speaks] of Object.entries(METHODS) as [keyof HostPort, Speaks][]) {
    if (method === "perform") continue;
    const call = host[method] as (...args: unknown[]) => unknown;
    Object.assign(host, {
      [method]: (...args: unknown[]): unknown => {
        const how = speaks === "no" && args.some(hasSecret) ? "fails" : speaks;
        if (!isGone || how === "no") return call(...args);
        return how === "fails" ? Promise.reject(gone(method)) : Promise.resolve(ANSWERS[method] ?? null);
      },
    });
  }
  host.perform = async (action, options) => {
    const how = speaks(action);
    const isFirst = !isGone && host.performed.length === at.index;
    isGone ||= isFirst;
    if (!isGone || how === "no") return perform(action, options);
    (host.performed as Action[]).push(action);
    if (isFirst && at.phase !== "before") carryOut(host.machine, action, at.phase === "midway" ? "half" : "whole");
    if (how === "fails") throw gone(action.do);
  };
}
