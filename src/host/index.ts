/** The machine, as one object. Only what a call needs is loaded by it: a cheap verb stays cheap. */
import { setTimeout as delay } from "node:timers/promises";
import type { Action, PerformOptions } from "../core/model/action.ts";
import type {
  BlockSums,
  Command,
  CronEntry,
  Crontab,
  DataPlace,
  DefinitionEdit,
  DomainDefinition,
  DomainOutline,
  DomainStatus,
  DomainSummary,
  Extent,
  HostCapabilities,
  HostUser,
  ImageFile,
  ImageInfo,
  NetworkInfo,
  NewDomain,
  QemuDisk,
  SecretSummary,
} from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { commandsFor } from "./actions/commands.ts";
import { cronLine, readCrontab } from "./crontab.ts";
import { editDefinition } from "./domain-edit.ts";
import { listDomains } from "./domain-list.ts";
import { newDefinition } from "./domain-new.ts";
import { domainStatus, domainStatuses } from "./domain-status.ts";
import { parseDefinition } from "./domain-xml.ts";
import { createEmpty, fileInfo, freeBytes, listFolder, removeFile } from "./files.ts";
import type { HeldFile } from "./held-file.ts";
import { type ChildTrace, createProcesses } from "./process.ts";
import { convertedBytes, countFaults, dataPlaces, imageInfo, ownExtents, sameContent } from "./qemu-img.ts";
import { createVirsh } from "./virsh.ts";

export type { ChildTrace } from "./process.ts";

export interface HostOptions {
  readonly uri: string; // qemu:///system
  readonly trace?: ((child: ChildTrace) => void) | undefined;
  readonly env?: NodeJS.ProcessEnv;
  /** Whose crontab it is; the process's own user where it is left out. */
  readonly uid?: number;
  /** Starts virsh at once: it takes as long as all that comes before the first question. */
  readonly eager?: boolean;
}

/** What `createHost` gives: core's HostPort (a test compares the two types), and children that own the terminal. */
export type Host = ReturnType<typeof createHost>;

/** A host behind a libvirt URI. Nothing is started (unless `eager`) or loaded by this call. */
export function createHost(options: HostOptions) {
  const processes = createProcesses(options);
  const virsh = createVirsh(processes, options.uri);
  if (options.eager) virsh.prepare({});
  let capabilities: Promise<HostCapabilities> | undefined;

  async function readCapabilities(): Promise<HostCapabilities> {
    const module = await import("./capabilities.ts");
    capabilities ??= module.readCapabilities(virsh);
    return capabilities;
  }

  return {
    listDomains: (): Promise<DomainSummary[]> => listDomains(virsh),
    domainOutlines: async (wanted: (domain: DomainSummary) => boolean): Promise<DomainOutline[]> =>
      (await import("./domain-outline.ts")).domainOutlines(virsh, wanted),
    domainStatus: (domain: string): Promise<DomainStatus | null> => domainStatus(virsh, domain),
    domainStatuses: (domains?: readonly string[]): Promise<Map<string, DomainStatus>> => domainStatuses(virsh, domains),
    strayProcesses: async (uuids: readonly string[]): Promise<Map<string, number>> =>
      (await import("./stray-process.ts")).strayProcesses(virsh, uuids),
    qemuDisks: async (uuid: string): Promise<QemuDisk[]> => (await import("./qemu-disks.ts")).qemuDisks(virsh, uuid),
    agentPing: async (uuid: string, timeoutMs: number): Promise<boolean> =>
      (await import("./agent.ts")).agentPing(virsh, uuid, timeoutMs),
    agentFreezeStatus: async (uuid: string): Promise<"frozen" | "thawed" | null> =>
      (await import("./agent.ts")).agentFreezeStatus(virsh, uuid),
    agentAddresses: async (uuid: string): Promise<string[] | null> =>
      (await import("./agent.ts")).agentAddresses(virsh, uuid),
    sshGreets: async (address: string, timeoutMs: number, signal?: AbortSignal): Promise<boolean> =>
      (await import("./ssh-greeting.ts")).sshGreets(address, timeoutMs, { signal }),
    imageInfo: (
      path: string,
      how?: { readonly shared?: boolean; readonly format?: string },
    ): Promise<ImageInfo | null> => imageInfo(processes, path, how),
    ownExtents: (image: ImageFile): Promise<Extent[]> => ownExtents(processes, virsh, image),
    inspectUntrusted: async (path: string, format: "qcow2" | "raw" | null): Promise<ImageInfo> =>
      (await import("./untrusted.ts")).inspectUntrusted(path, format),
    readSharedLayer: async (path: string, backing: string | null, encrypted = false): Promise<ImageInfo> =>
      (await import("./untrusted.ts")).inspectUntrusted(path, "qcow2", backing, encrypted),
    users: async (key?: string): Promise<HostUser[]> => (await import("./users.ts")).users(processes, key),
    blockedFolders: async (path: string, user: HostUser | null): Promise<string[]> =>
      (await import("./access.ts")).blockedFolders(processes, path, user),
    readText: async (path: string, maxBytes: number): Promise<{ text: string; uid: number } | null> =>
      (await import("./folders.ts")).readText(path, maxBytes),
    crontab: async (): Promise<Crontab> => readCrontab(processes, options.uid ?? process.getuid?.() ?? 0),
    cronLine: (file: string | null, entry: CronEntry): string => cronLine(file !== null, entry),
    holdFile: async (path: string): Promise<HeldFile> => (await import("./held-file.ts")).holdFile(path),
    convertedBytes: (image: ImageFile): Promise<number> => convertedBytes(processes, virsh, image),
    countFaults: (image: Omit<ImageFile, "format">): Promise<number> => countFaults(processes, virsh, image),
    sameContent: (a: ImageFile, b: ImageFile): Promise<boolean> => sameContent(processes, virsh, a, b),
    blockSums: async (
      path: string,
      blockBytes: number,
      how?: { readonly known?: readonly (string | null)[]; readonly onProgress?: (fraction: number) => void },
    ): Promise<BlockSums> => (await import("./block-sums.ts")).blockSums(path, blockBytes, how),
    dataPlaces: (image: Omit<ImageFile, "format">): Promise<DataPlace[]> => dataPlaces(processes, virsh, image),
    listSecrets: async (): Promise<SecretSummary[]> => (await import("./secrets.ts")).listSecrets(virsh),
    checkPassphrase: async (path: string): Promise<void> =>
      void (await (await import("./secrets.ts")).readPassphrase(path)),
    fileInfo,
    listFolder,
    freeBytes,
    network: async (name: string): Promise<NetworkInfo | null> =>
      (await import("./networks.ts")).readNetwork(virsh, name),
    listNetworks: async (): Promise<string[]> => (await import("./networks.ts")).listNetworks(virsh),
    capabilities: readCapabilities,
    editDefinition: (xml: string, edit: DefinitionEdit): string => editDefinition(xml, edit),
    newDefinition: async (spec: NewDomain): Promise<string> => newDefinition(spec, await readCapabilities()),
    /** The definition that a saved memory belongs to; with --security-info. */
    memoryDefinition: (path: string): Promise<string> =>
      virsh.output(["save-image-dumpxml", "--file", path, "--security-info"]),
    parseDefinition: (xml: string): DomainDefinition => parseDefinition(xml),
    /** Writes the guest's screen as a PPM or PNG file, as QEMU gives it, mode 0600. */
    async screenshot(uuid: string, path: string): Promise<void> {
      await removeFile(path);
      await createEmpty(path, 0o600);
      await virsh.output(["screenshot", "--domain", uuid, "--file", path]);
    },
    commandsFor: (action: Action): Command[] => commandsFor(action, virsh.command),
    async perform(action: Action, how: PerformOptions = {}): Promise<void> {
      const { perform } = await import("./actions.ts");
      await perform({ processes, virsh, options: how, sleep, nowMs: () => performance.now() }, action);
    },
    letGo: (fds: readonly number[]): Promise<void> => virsh.letGo(fds),
    /** What connects a terminal with the guest's serial console; `leaveKey` (^]) leaves it. */
    consoleCommand: (uuid: string, leaveKey: string | null): Command =>
      virsh.command(...(leaveKey === null ? [] : ["--escape", leaveKey]), "console", "--domain", uuid),
    /** A program that owns the terminal (ssh); returns its exit code. */
    interactive: (command: Command): Promise<number> => processes.interactive(command),
  };
}

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new EstratoError("interrupted", "interrupted", { cause });
  }
}
