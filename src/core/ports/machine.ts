/** What core asks of the machine itself: its users, its crontab, programs, and every change of it (an `Action`). */
import type { Action, PerformOptions } from "../model/action.ts";
import type { Command, CronEntry, Crontab, Endpoint, Forward, HostUser, Listening } from "../model/host.ts";

/** The machine. Everything may throw EstratoError. */
export interface MachinePort {
  /** Are we root, from whom libvirt takes no file away? */
  isRoot(): boolean;
  /** The users that this host lists; with `key` the one of that name or user id, listed or not. */
  users(key?: string): Promise<HostUser[]>;
  /** The zone that the machine's cron goes by, IANA, whatever `TZ` says to this process. */
  timeZone(): Promise<string>;
  /** The crontab that our lines stand in. "host" where the machine has none. */
  crontab(): Promise<Crontab>;
  /**
   * A line of the crontab in `file` (null: the user's own). Pure. "host" where something in it cannot stand in a
   * crontab.
   */
  cronLine(file: string | null, entry: CronEntry): string;
  /** Does an ssh server greet there within the limit? False too when `signal` aborts. */
  sshGreets(at: Endpoint, timeoutMs: number, signal?: AbortSignal): Promise<boolean>;
  /** May we listen at the host's end of it, at this moment? */
  tryListening(forward: Forward): Promise<Listening>;
  /** Runs a program that owns the terminal (ssh, a console); returns its exit code. */
  interactive(command: Command): Promise<number>;
  /** The commands that `perform` would start, for people: pure. */
  commandsFor(action: Action): Command[];
  perform(action: Action, options?: PerformOptions): Promise<void>;
  /** Starts what is about to be told to change things under these locks; it does nothing until then. */
  prepare(lockFds: readonly number[]): void;
  /** Ends every child that is kept with these descriptors of locks: to be called before they are released. */
  letGo(lockFds: readonly number[]): Promise<void>;
  /** Tells every kept child to end: nothing is asked afterwards. */
  close(): void;
}
