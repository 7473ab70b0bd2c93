/** The machine, as one object. Only what a call needs is loaded by it: a cheap verb stays cheap. */
import { performance } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { Action, PerformOptions } from "../core/model/action.ts";
import type { GuestDisk } from "../core/model/guest-files.ts";
import type {
  BlockSums,
  BlockSumsOptions,
  Command,
  CronEntry,
  Crontab,
  Endpoint,
  Forward,
  HiddenFile,
  HostUser,
  Listening,
} from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { commandsFor } from "./actions/commands.ts";
import type { ChildTrace } from "./child.ts";
import { cronLine, readCrontab } from "./crontab.ts";
import type { Signed } from "./download/signature.ts";
import type { SmallRules } from "./download/small.ts";
import type { SumOptions } from "./file-sum.ts";
import { fileInfo, freeBytes, listFolder, realPath, requireWritable } from "./files.ts";
import type { HeldFile } from "./held-file.ts";
import { imageHost } from "./images.ts";
import { libvirtHost } from "./libvirt.ts";
import { libvirtFolders } from "./libvirt-folders.ts";
import type { Patience } from "./patience.ts";
import { createProcesses, type Processes } from "./process.ts";
import { createVirsh, type Virsh } from "./virsh.ts";

export type { ChildTrace } from "./child.ts";
export type { Patience } from "./patience.ts";

export interface HostOptions {
  readonly uri: string; // qemu:///system
  readonly trace?: ((child: ChildTrace) => void) | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** Who asks: whose crontab and whose libvirt it is; the process's own user where it is left out. */
  readonly uid?: number;
  /** How long the host is waited for. */
  readonly patience?: Patience;
  /** Starts virsh at once: it takes as long as all that comes before the first question. */
  readonly eager?: boolean;
}

/** What `createHost` gives: core's HostPort (a test compares the two types), and children that own the terminal. */
export type Host = ReturnType<typeof createHost>;

/** A host behind a libvirt URI. Nothing is started (unless `eager`) or loaded by this call. */
export function createHost(options: HostOptions) {
  const processes = createProcesses(options);
  const uid = options.uid ?? process.getuid?.() ?? 0;
  const virsh = createVirsh(processes, options.uri, libvirtFolders(options.env, uid));
  if (options.eager) virsh.prepare({});
  return {
    ...libvirtHost(virsh, options.env),
    ...imageHost(processes, virsh, options.env),
    ...fileHost(processes),
    ...downloadHost(processes),
    ...machineHost(processes, virsh, uid),
    ...guestFilesHost(processes, virsh, options.env),
  };
}

/** Files and folders: what core's FilePort asks for. */
function fileHost(processes: Processes) {
  return {
    fileInfo,
    listFolder,
    hiddenFiles: async (folder: string): Promise<HiddenFile[]> =>
      (await import("./temporary-files.ts")).hiddenFiles(folder),
    realPath,
    freeBytes,
    requireWritable,
    readText: async (path: string, maxBytes: number): Promise<{ text: string; uid: number } | null> =>
      (await import("./folders.ts")).readText(path, maxBytes),
    holdFile: async (path: string, calledAs?: string): Promise<HeldFile> =>
      (await import("./held-file.ts")).holdFile(path, calledAs),
    blockSums: async (path: string, blockBytes: number, how?: BlockSumsOptions): Promise<BlockSums> =>
      (await import("./block-sums.ts")).blockSums(path, blockBytes, how),
    blockedFolders: async (path: string, user: HostUser | null): Promise<string[]> =>
      (await import("./access.ts")).blockedFolders(processes, path, user),
    checkPassphrase: async (path: string): Promise<void> =>
      void (await (await import("./secrets.ts")).readPassphrase(path)),
  };
}

/** Files that lie elsewhere: what core's DownloadPort asks for. */
function downloadHost(processes: Processes) {
  return {
    readSmall: async (where: string, rules: SmallRules): Promise<Uint8Array | null> =>
      (await import("./download/small.ts")).readSmall(processes, where, rules),
    signedText: async (keyring: string, message: Uint8Array, signature: Uint8Array | null): Promise<Signed> =>
      (await import("./download/signature.ts")).signedText(processes, keyring, message, signature),
    fileSum: async (path: string, algorithm: "sha256" | "sha512", how?: SumOptions): Promise<string> =>
      (await import("./file-sum.ts")).fileSum(path, algorithm, how),
    isDownloadKept: async (path: string): Promise<boolean> => (await import("./download/kept.ts")).isKept(path),
  };
}

/**
 * The machine's users, its crontab, programs and every change: what core's MachinePort asks for. `uid`: whose crontab
 * it is.
 */
function machineHost(processes: Processes, virsh: Virsh, uid: number) {
  return {
    isRoot: (): boolean => uid === 0,
    users: async (key?: string): Promise<HostUser[]> => (await import("./users.ts")).users(processes, key),
    timeZone: async (): Promise<string> => (await import("./time-zone.ts")).timeZone(),
    crontab: (): Promise<Crontab> => readCrontab(processes, uid),
    cronLine: (file: string | null, entry: CronEntry): string => cronLine(file !== null, entry),
    sshGreets: async ({ address, port }: Endpoint, timeoutMs: number, signal?: AbortSignal): Promise<boolean> =>
      (await import("./ssh-greeting.ts")).sshGreets(address, timeoutMs, { port, signal }),
    tryListening: async (forward: Forward): Promise<Listening> =>
      (await import("./listening.ts")).tryListening(forward),
    /** A program that owns the terminal (ssh); returns its exit code. */
    interactive: (command: Command): Promise<number> => processes.interactive(command),
    commandsFor: (action: Action): Command[] => commandsFor(action, virsh),
    async perform(action: Action, how: PerformOptions = {}): Promise<void> {
      const { perform } = await import("./actions.ts");
      await perform({ processes, virsh, options: how, sleep, nowMs: () => performance.now() }, action);
    },
    prepare: (fds: readonly number[]): void => virsh.prepare({ inheritFds: fds }),
    letGo: (fds: readonly number[]): Promise<void> => virsh.letGo(fds),
    close: (): void => virsh.close(),
  };
}

/** Guests' file systems: what core's GuestFilesPort asks for. `env`: the caller's. */
function guestFilesHost(processes: Processes, virsh: Virsh, env: NodeJS.ProcessEnv) {
  return {
    openGuest: async (disks: readonly GuestDisk[], signal: AbortSignal) =>
      (await import("./guest-files/guest.ts")).openGuest(processes, virsh, env, disks, signal),
    guestCommands: async (disks: readonly GuestDisk[]): Promise<Command[]> =>
      (await import("./guest-files/guest.ts")).guestCommands(disks),
  };
}

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, signal ? { signal } : {});
  } catch (cause) {
    throw new EstratoError("interrupted", "interrupted", { cause });
  }
}
