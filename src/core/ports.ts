/**
 * What core needs of the world, as interfaces that core owns: one for each that it speaks to. The factory hands in
 * src/host and src/store; tests hand in fakes. Everything may throw EstratoError.
 */
import type * as v from "valibot";
import type { KindName } from "./model/journal.ts";
import type { IdPrefix } from "./names.ts";
import type { DownloadPort } from "./ports/downloads.ts";
import type { FilePort } from "./ports/files.ts";
import type { GuestFilesPort } from "./ports/guest-files.ts";
import type { ImagePort } from "./ports/images.ts";
import type { LibvirtPort } from "./ports/libvirt.ts";
import type { MachinePort } from "./ports/machine.ts";
import type { HeldLocks, StorePort } from "./ports/store.ts";

export type { DefinitionEdit, NewDomain } from "./model/host.ts";
export type { DownloadPort } from "./ports/downloads.ts";
export type { FilePort, HeldFile } from "./ports/files.ts";
export type { GuestFilesPort, OpenGuest } from "./ports/guest-files.ts";
export type { ImagePort } from "./ports/images.ts";
export type { LibvirtPort } from "./ports/libvirt.ts";
export type { MachinePort } from "./ports/machine.ts";
export type { HeldLocks, KeptText, StorePaths, StorePort } from "./ports/store.ts";

/** The machine with all that runs on it. A function that needs only a part of it may say so. */
export interface HostPort extends LibvirtPort, ImagePort, FilePort, DownloadPort, GuestFilesPort, MachinePort {}

export interface Clock {
  now(): Date;
  /** Whole milliseconds of a clock that nobody sets: how long something takes. */
  elapsedMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export interface Ids {
  /** PREFIX-17 hex digits. */
  next(prefix: IdPrefix): string;
  uuid(): string;
  /** A MAC of QEMU's range, 52:54:00:…. */
  mac(): string;
}

/** Figures of what goes on. */
export interface ProgressDetail {
  /** Of all that is moved. */
  readonly totalBytes?: number;
  readonly waitedMs?: number;
  /** After which it is given up. */
  readonly timeoutMs?: number;
}

/** Core's one way to speak outward. Core never prints and never asks by itself. */
export interface Reporter {
  note(text: string): void; // worth a line on stderr
  /** `fraction` of 0 to 1, null where nobody knows; `detail`: how much it is, or how long it is waited for. */
  progress(title: string, fraction: number | null, detail?: ProgressDetail): void;
  /** Worth a line with -v; not there where nobody asked for it. */
  readonly detail?: ((text: string) => void) | undefined;
  /** A step of a plan: `before` it is done and `after`. Tests end the process here. */
  step(event: {
    readonly operation: string;
    readonly index: number;
    readonly id: string; // the step's: tests go by it
    readonly title: string;
    readonly phase: "before" | "after";
  }): void;
  /**
   * A question with a default; "needs_yes" where nobody can answer. `heading`: of what the list is, if not of losses.
   * `byPerson`: only somebody who has looked can say it. --yes is no answer then, and where nobody can be asked it is
   * no.
   */
  confirm(question: {
    readonly text: string;
    readonly loses: readonly string[];
    readonly heading?: string;
    readonly byPerson?: boolean;
  }): Promise<boolean>;
}

/**
 * What recovery did with an operation that had not ended: finished it, undid it, or left it half-way, where all is as
 * right as at either end.
 */
export type Outcome = "forward" | "back" | "halfway";

/** The entry that an operation stands under while it is recovered. */
export interface OpenEntry<Data> {
  readonly id: string; // op-…
  readonly command: string; // as it was typed
  readonly createdAt: string; // ISO 8601
  /** Replaces what the entry remembers, durably: where recovery itself does what the next recovery must know. */
  remember(data: Data): Promise<void>;
}

/** A kind of operation: what of it outlives the process that began it. */
export interface Kind<Data> {
  readonly name: KindName;
  /** Of the data's shape: raised by one with each change, with a way from the older ones in `older`. */
  readonly version: number;
  /** What the journal remembers: checked when it is read back. */
  readonly data: v.GenericSchema<unknown, Data>;
  /** Is QEMU to open what it makes? Then it is refused, with nothing made, where it could not. */
  forQemu?(data: Data): boolean;
  /** By version: an older shape made into the next one. A version that is not here is refused, with what to do. */
  readonly older?: Readonly<Record<number, (data: unknown) => unknown>>;
  /** Ends or undoes what was begun, looking at the world as it is. Repeatable. */
  recover(world: World, locks: HeldLocks, data: Data, entry: OpenEntry<Data>): Promise<Outcome>;
  /**
   * The same where the command itself is still there to say that it failed; `recover` where that makes no difference.
   */
  fail?(world: World, locks: HeldLocks, data: Data, entry: OpenEntry<Data>): Promise<Outcome>;
}

/** Every kind there is, each loaded only where one of it has not ended. */
export type KindTable = Readonly<Record<KindName, () => Promise<Kind<unknown>>>>;

/** What every operation of core is handed. */
export interface World {
  readonly kinds: KindTable;
  /** op-… of the operation at work, of which all that is begun through this world is a child; left out: none is. */
  readonly parent?: string;
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
  /** The network that new instances are on where nothing says another, or "none"; left out: libvirt's default. */
  readonly usualNetwork?: string | null;
  readonly lockTimeoutMs: number;
  readonly dryRun: boolean;
  /** In a dry run: what is recorded stays in memory, so that a plan can go on from it (operations/rehearsal.ts). */
  readonly rehearsal?: true;
  readonly signal: AbortSignal;
  /** One of several that are worked on side by side: what recovers and collects does so for all of them. */
  readonly inCompany?: true;
}
