/**
 * Which calls of a host speak to libvirt: what an outage of libvirtd takes away. A unit test compares this with the
 * real host.
 */
import type { Action } from "../../src/core/model/action.ts";
import type { HostPort } from "../../src/core/ports.ts";

/** secret: only of an encrypted image, whose passphrase libvirt keeps. action: as the action does that is performed. */
export type Speaks = "always" | "never" | "secret" | "action";

export const METHODS: Readonly<Record<keyof HostPort, Speaks>> = {
  listDomains: "always",
  domainOutlines: "always",
  domainLoads: "always",
  domainStatus: "always",
  domainStatuses: "always",
  strayProcesses: "always",
  startedAt: "always",
  display: "always",
  qemuDisks: "always",
  isAsleep: "always",
  agentPing: "always",
  agentFreezeStatus: "always",
  agentAddresses: "always",
  agentCommand: "always",
  listSecrets: "always",
  network: "always",
  listNetworks: "always",
  capabilities: "always",
  machineLimits: "always",
  userBackend: "always",
  liveForwards: "always",
  newDefinition: "always",
  takenFrom: "always",
  memoryDefinition: "always",
  screenshot: "always",
  editDefinition: "never",
  namedOfHost: "never",
  parseDefinition: "never",
  nvramPlace: "never",
  consoleCommand: "never",

  imageChain: "never",
  imageInfo: "never",
  inspectUntrusted: "never",
  readSharedLayer: "never",
  requireSysprep: "never",
  ownExtents: "secret",
  convertedBytes: "secret",
  countFaults: "secret",
  sameContent: "secret",
  dataPlaces: "secret",
  openGuest: "never", // it asks for the passphrase of a disk that is encrypted, and changes nothing
  guestCommands: "never",

  fileInfo: "never",
  listFolder: "never",
  hiddenFiles: "never",
  realPath: "never",
  readText: "never",
  holdFile: "never",
  blockSums: "never",
  blockedFolders: "never",
  freeBytes: "never",
  requireWritable: "never",
  isRoot: "never",
  checkPassphrase: "never",

  readSmall: "never",
  signedText: "never",
  fileSum: "never",
  isDownloadKept: "never",

  users: "never",
  timeZone: "never",
  crontab: "never",
  cronLine: "never",
  sshGreets: "never",
  tryListening: "never",
  interactive: "never",
  commandsFor: "never",
  prepare: "never",
  letGo: "never",
  close: "never",
  perform: "action",
};

export const ACTIONS: Readonly<Record<Action["do"], Exclude<Speaks, "action">>> = {
  "switch-disks": "always",
  "restore-memory": "always",
  "attach-disk": "always",
  "detach-disk": "always",
  "block-resize": "always",
  "await-job": "always",
  "sync-clock": "always",
  thaw: "always",
  define: "always",
  redefine: "always",
  undefine: "always",
  start: "always",
  destroy: "always",
  shutdown: "always",
  reboot: "always",
  suspend: "always",
  resume: "always",
  autostart: "always",
  rename: "always",
  "mark-domain": "always",
  "block-pull": "always",
  "block-commit": "always",
  "block-commit-active": "always",
  "settle-job": "always",
  "close-unused": "always",
  "place-tpm": "always", // is its domain running?
  "remove-tpm": "always",
  "define-secret": "always",
  "undefine-secret": "always",
  "reserve-address": "always",
  "release-address": "always",
  "set-forwards": "always",

  "create-disk": "secret",
  commit: "secret",
  rebase: "secret",
  relink: "secret",
  convert: "secret",
  download: "never",
  sysprep: "never",
  "convert-delta": "secret",
  "resize-disk": "secret",

  "set-mode": "never",
  "set-access": "never",
  "open-passage": "never",
  "make-folder": "never",
  "remove-folder": "never",
  "write-file": "never",
  "mark-use": "never",
  "set-owner": "never",
  sync: "never",
  unlink: "never",
  "copy-file": "never",
  "save-tpm": "never",
  "move-folder": "never",
  "discard-folder": "never",
  "move-file": "never",
  "set-crontab": "never",
  "run-hook": "never",
  "create-seed": "never",
  "renew-seed": "never",
};

/** Does performing this speak to libvirt? */
export function actionSpeaks(action: Action): boolean {
  const speaks = ACTIONS[action.do];
  return speaks === "always" || (speaks === "secret" && namesSecret(action));
}

/** Does this call of a host speak to libvirt? `args`: as it is called. */
export function callSpeaks(method: keyof HostPort, args: readonly unknown[]): boolean {
  const speaks = METHODS[method];
  if (speaks === "action") return actionSpeaks(args[0] as Action);
  return speaks === "always" || (speaks === "secret" && args.some(namesSecret));
}

/** A secret of libvirt's, at any depth: also of a layer, or of what a copy is encrypted with. */
function namesSecret(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, each]) => (key === "secret" && each !== undefined) || namesSecret(each));
}
