/**
 * What outlives a process: the files, domains and networks of a simulated host. Hand one machine to a second fakeHost
 * to play the next command.
 */

import type {
  Forward,
  HostCapabilities,
  HostUser,
  MachineLimits,
  NetworkInfo,
  UserBackend,
} from "../../src/core/model/host.ts";
import { type FakeGuest, fakeGuest } from "./guest-files.ts";

/** The content of one cluster: a word, or null for zeros that mask what lies below. */
export type ClusterValue = string | null;

/**
 * A file. `clusters` is what the file itself holds, by cluster number; `text` is the content of one that is no disk.
 */
export interface FakeFile {
  format: string;
  sizeBytes: number;
  backing: { path: string; format: string } | null;
  clusters: Map<number, ClusterValue>;
  text: string | null;
  /** Of a saved memory: what the guest remembered, and what its disks held at that instant. */
  memory: { readonly ram: string; readonly disks: Readonly<Record<string, string>> } | null;
  mode: number;
  uid: number;
  gid: number;
  encrypted: boolean;
  /** What opens it; null for a plain file, and for one from outside that only says that it is encrypted. */
  passphrase: string | null;
  isBlockDevice: boolean;
  /** What `qemu-img check` finds wrong with it. */
  faults: number;
}

/** A disk as QEMU has it open: top first. What libvirt believes is in the definitions. */
export interface FakeOpenDisk {
  readonly device: string;
  chain: string[];
  readonly readonly: boolean;
}

/** A block job that goes on without us. */
export interface FakeJob {
  readonly device: string;
  readonly type: string;
  /** Carries out what is left of it; "half": without libvirt's note. */
  finish(noted?: "half" | "whole"): void;
  /** QEMU dies: what the files then hold, at worst. */
  lose(): void;
  readonly ended?: true; // as in DomainJob
}

export interface FakeDomain {
  inactive: string;
  live: string | null;
  state: "running" | "paused" | "shutoff" | "crashed";
  reason: string;
  persistent: boolean;
  autostart: boolean;
  managedSave: boolean;
  /** Does the guest's agent answer? */
  agent: boolean;
  frozen: boolean;
  /** Does the guest power off when it is asked to? */
  obedient: boolean;
  /** What the guest remembers: gone with its power. */
  ram: string;
  open: FakeOpenDisk[];
  /** Files that its QEMU has open for none of its disks: libvirt died before it had it close them. */
  unused: string[];
  /** Its memory was saved while it was paused, and it has not been resumed since. */
  asleep?: boolean;
  jobs: FakeJob[];
  /** The process that runs it, though libvirt takes it for off. */
  stray: number | null;
  snapshots: string[];
  checkpoints: string[];
  addresses: string[];
  /** Ports that lead to it, where its QEMU serves its network itself: gone with its process. */
  forwards?: Forward[];
  /** Since when its process runs, where the machine tells. */
  startedAt?: string;
  /** Where its screen is served. */
  display?: string;
}

export interface FakeNetwork {
  active: boolean;
  mode?: string | null;
  bridge?: string | null;
  dhcp: NetworkInfo["dhcp"];
  reservations: { mac: string; ip: string; name: string | null }[];
  leases: { mac: string; ip: string; givenAt?: string | null }[];
}

export interface FakeMachine {
  readonly files: Map<string, FakeFile>;
  readonly domains: Map<string, FakeDomain>; // by UUID
  readonly networks: Map<string, FakeNetwork>;
  /** Folders that are there though nothing may be in them. */
  readonly folders: Set<string>;
  /** By path: the user ids that an ACL names. */
  readonly readers: Map<string, readonly number[]>;
  users: HostUser[];
  /** Folders that nobody but their owner passes through. */
  readonly closed: Set<string>;
  /** Folders whose file systems are read-only. */
  readonly readOnly: Set<string>;
  /** Storage pools: the type, and the paths of the volumes in it. */
  readonly pools: Map<string, { readonly type: string; readonly volumes: Readonly<Record<string, string>> }>;
  readonly secrets: Map<string, { readonly description: string; readonly value: string | null }>; // by UUID
  /** The user's own; null: crontab(1) is not installed. */
  /** Of its cron, IANA. */
  timeZone: string;
  crontab: string | null;
  /** What would serve a network of a user's. */
  userBackend: UserBackend | null;
  /** Ports that processes besides its guests listen on; root's are forbidden with `unprivileged`. */
  listening: Forward[];
  unprivileged: boolean;
  /** Whether the guests answer on their ssh port. */
  sshAnswers: boolean;
  freeBytes: number;
  /** Is virt-sysprep(1) installed? */
  hasSysprep: boolean;
  /** What servers give, by URL: images, and small files. */
  readonly web: Map<string, FakeServed>;
  /** How often the loads of its guests were asked for: each time they have used a little more. */
  samples: number;
  capabilities: HostCapabilities;
  /** Of any machine here. */
  limits: MachineLimits;
  /** The files that every guest has, whatever its disks hold. */
  readonly guest: FakeGuest;
}

/** A file of an image, or a text. */
export interface FakeServed {
  readonly image?: FakeFile;
  readonly text?: string;
}

export const CLUSTER_BYTES = 65536;

export function fakeMachine(): FakeMachine {
  return {
    files: new Map(),
    domains: new Map(),
    folders: new Set(),
    readers: new Map(),
    users: [],
    closed: new Set(),
    readOnly: new Set(),
    networks: new Map([
      [
        "default",
        {
          active: true,
          dhcp: { start: "192.168.122.2", end: "192.168.122.254", gateway: "192.168.122.1", prefix: 24 },
          reservations: [],
          leases: [],
        },
      ],
    ]),
    pools: new Map(),
    secrets: new Map(),
    timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    crontab: "",
    userBackend: "qemu",
    listening: [],
    unprivileged: false,
    sshAnswers: true,
    freeBytes: 2 ** 40,
    guest: fakeGuest(),
    web: new Map(),
    hasSysprep: true,
    samples: 0,
    capabilities: {
      kvm: false,
      arch: "x86_64",
      machine: "q35",
      machines: ["pc", "q35", "pc-i440fx-7.2", "pc-q35-7.2"],
      emulator: "/usr/bin/qemu-system-x86_64",
      qemuUser: { uid: 64055, gid: 64055 },
      libvirtVersion: "9.0.0",
      qemuVersion: "7.2.22",
      maxChain: 128,
    },
    limits: { vcpus: 288, ramBytes: 64 * 2 ** 30 },
  };
}

/** Of a folder or a file. */
export function isReadOnly({ readOnly }: Pick<FakeMachine, "readOnly">, path: string): boolean {
  return [...readOnly].some((one) => `${path}/`.startsWith(`${one}/`));
}
