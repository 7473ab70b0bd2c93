/**
 * What core needs of the world, as interfaces that core owns: one for each that it speaks to. The factory hands in src/host and src/store;
 * tests hand in fakes. Everything may throw EstratoError.
 */
import type { FilePort } from "./ports/files.ts";
import type { ImagePort } from "./ports/images.ts";
import type { LibvirtPort } from "./ports/libvirt.ts";
import type { MachinePort } from "./ports/machine.ts";
import type { StorePort } from "./ports/store.ts";

export type { DefinitionEdit, NewDomain } from "./model/host.ts";
export type { FilePort, HeldFile } from "./ports/files.ts";
export type { ImagePort } from "./ports/images.ts";
export type { LibvirtPort } from "./ports/libvirt.ts";
export type { MachinePort } from "./ports/machine.ts";
export type { HeldLocks, StorePaths, StorePort } from "./ports/store.ts";

/** The machine with all that runs on it. A function that needs only a part of it may say so. */
export interface HostPort extends LibvirtPort, ImagePort, FilePort, MachinePort {}

export interface Clock {
  now(): Date;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Ids {
  /** PREFIX-17 hex digits. */
  next(prefix: "lay" | "vol" | "snap" | "img" | "bak" | "sch" | "op"): string;
  uuid(): string;
  /** A MAC of QEMU's range, 52:54:00:…. */
  mac(): string;
}

/** Core's one way to speak outward. Core never prints and never asks by itself. */
export interface Reporter {
  note(text: string): void; // worth a line on stderr
  progress(title: string, fraction: number | null): void;
  /** Worth a line with -v; not there where nobody asked for it. */
  readonly detail?: ((text: string) => void) | undefined;
  /** A step of a plan: `before` it is done and `after`. Tests end the process here. */
  step(event: {
    readonly operation: string;
    readonly index: number;
    readonly title: string;
    readonly phase: "before" | "after";
  }): void;
  /** A question with a default; "needs_yes" where nobody can answer. */
  confirm(question: { readonly text: string; readonly loses: readonly string[] }): Promise<boolean>;
}

/** What every operation of core is handed. */
export interface World {
  readonly host: HostPort;
  readonly store: StorePort;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly report: Reporter;
  /** Who calls: the user, behind sudo the one who called sudo. */
  readonly user: string;
  /** The command as typed. */
  readonly command: string;
  /** Stores besides those of the host's users in which shared images are looked for: absolute paths. */
  readonly imageStores?: readonly string[];
  readonly lockTimeoutMs: number;
  readonly dryRun: boolean;
  readonly signal: AbortSignal;
}
