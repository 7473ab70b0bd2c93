/** What a command needs, made when it is asked for: the store, the host, the settings, a person to ask. */
import { existsSync } from "node:fs";
import { availableParallelism, userInfo } from "node:os";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { isBehindSudo, settingNote, storeNote } from "./behind-sudo.ts";
import type { Binding } from "./core/model/state.ts";
import type { PlanView } from "./core/operations/steps.ts";
import type { Clock, HeldLocks, HostPort, Ids, Reporter, StorePort, World } from "./core/ports.ts";
import { parseDuration } from "./core/values.ts";
import type { EstratoError } from "./errors.ts";
import type { Globals } from "./globals.ts";
import type { Host } from "./host/index.ts";
import { createReporter } from "./reporter.ts";
import { type RunRecord, runRecord } from "./run-record.ts";
import type { Settings } from "./store/settings.ts";
import { callingUser, type Machine, realClock, realIds, thisMachine } from "./system.ts";
import { toldError } from "./told-error.ts";
import { type ColourWish, colourAllowed, loadPainter, type Painter } from "./ui/colour.ts";
import { EXIT_CODES, errorJson, errorLine, errorTrace } from "./ui/errors.ts";
import { type Prompts, terminalPrompts } from "./ui/prompts.ts";
import { type ProgressWay, type StatusLine, statusLine } from "./ui/status-line.ts";
import { type Streams, type Terminal, terminalOf } from "./ui/streams.ts";
import { printable } from "./ui/text.ts";

/** What a question has left when a command that changes something is told to end: what follows needs the answers. */
const ANSWER_UNDER_WAY_MS = 2_000;
/** Who waits for a lock as long as this is told so. */
const LOCK_SAID_AFTER_MS = 2_000;
const SYSTEM_STORE = "/var/lib/estrato";

/** The world around one run of the program: the process's own, or a test's. */
export interface Surroundings {
  readonly streams: Streams;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
  /** How this program is started: Node, and bin/estrato, both absolute. */
  readonly program?: { readonly node: string; readonly path: string };
  /** Aborts on the first Ctrl-C. */
  readonly signal: AbortSignal;
  /** Told, before the verb is run, whether there is something to undo when that happens. */
  readonly willChange?: (changes: boolean) => void;
  /** What tests put in the place of the real. */
  readonly twins?: {
    readonly store?: StorePort;
    readonly host?: HostPort;
    readonly clock?: Clock;
    readonly ids?: Ids;
    readonly user?: string;
    readonly machine?: Machine;
    readonly prompts?: Prompts;
    readonly systemFolder?: string;
    readonly ownHome?: string;
    readonly systemStore?: string;
    readonly cores?: number;
  };
}

/** What one of several targets has to itself while others are worked on. */
export interface Turn {
  readonly world: World;
  readonly record: TargetRecord;
}

export type TargetRecord = Pick<RunRecord, "takeChanged" | "logEvent" | "loggedOperations" | "nextRun">;

export interface Factory extends TargetRecord {
  readonly surroundings: Surroundings;
  readonly streams: Streams;
  readonly terminal: Terminal;
  readonly env: Surroundings["env"];
  readonly globals: Globals;
  readonly signal: AbortSignal;
  /** As typed, quoted for a shell. */
  readonly command: string;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly user: string;
  readonly report: Reporter;
  readonly status: StatusLine;
  /** Null: nobody can be asked. */
  readonly prompts: () => Prompts | null;
  /** Has a question been answered with no, since this was asked last? */
  readonly takeDeclined: () => boolean;
  /** How many steps of operations have been done so far. */
  readonly stepsDone: () => number;
  readonly settings: () => Promise<Settings>;
  /** Throws "usage" where this setting is unknown or cannot have this value. */
  readonly checkSetting: (key: string, value: string) => Promise<void>;
  /** How long a revert keeps what the disks held before, in milliseconds. */
  readonly revertKeepMs: () => Promise<number>;
  /**
   * The store, once it is known to be there (where the verb needs one) and to be this machine's and this libvirt's: who
   * gets none of these three has touched nothing.
   */
  readonly store: () => Promise<StorePort>;
  /**
   * To be called where the store is not there, and the line is about what is in it. Throws "host", but where a person
   * at a terminal only looks at the usual one: then it is told, and is as an empty one.
   */
  readonly storeIsMissing: (store: StorePort) => Promise<void>;
  /**
   * Asks whether the store is to be bound here, and binds it: false for a no, a plan in a dry run. `evenDamaged`: a
   * state that cannot be read is bound when it is mended.
   */
  readonly takeOver: (evenDamaged: boolean) => Promise<boolean | PlanView>;
  /** With the children that own the terminal (console, ssh). */
  readonly host: () => Promise<Host>;
  readonly world: () => Promise<World>;
  /** The same world, of which it is told what was changed and logged through it alone. */
  readonly turn: () => Promise<Turn>;
  /** How many may well be worked on at the same time. */
  readonly cores: number;
  /** For what goes to stdout, or to stderr. */
  readonly painter: (stream: "stdout" | "stderr") => Promise<Painter>;
  /** To be called at the end of the run: nothing is kept open behind it. */
  readonly close: () => void;
  /** Writes an error to stderr in the form that was asked for, and returns it. */
  readonly reportError: (error: unknown) => EstratoError;
}

/**
 * Who is quiet wants none, but where it was asked for by name; nor does a program that reads an error as the one object
 * that stands on stderr.
 */
function progressWay({ progress, quiet, format }: Globals, isMoving: boolean): ProgressWay {
  if (progress === "json" || progress === "none") return progress;
  if (quiet || (!isMoving && format === "json")) return "none";
  return isMoving ? "moving" : "log";
}

/** Locks that end what the host keeps with them before they are released: a child that has them keeps them. */
function letGoFirst(locks: HeldLocks, host: HostPort): HeldLocks {
  const release = async () => {
    await host.letGo(locks.fds);
    await locks.release();
  };
  return { ...locks, release };
}

export interface FactoryOptions {
  readonly globals: Globals;
  readonly command: string;
  /** Damaged settings count as none: for the verbs that mend them. */
  readonly withoutSettings: boolean;
  /** It is a verb that changes something: virsh will be asked soon. */
  readonly changes: boolean;
  /** The verb can begin with no store: it makes one, or needs none. */
  readonly withoutStore: boolean;
  /** A store that is not there is an error for it, even if a person only looks. */
  readonly needsStore: boolean;
}

export function createFactory(surroundings: Surroundings, options: FactoryOptions): Factory {
  const { streams, env, uid, signal, twins = {} } = surroundings;
  const { globals, command, withoutSettings, changes, withoutStore, needsStore } = options;
  const terminal = terminalOf(streams, env);
  const clock = twins.clock ?? realClock;
  const status = statusLine({
    stderr: streams.stderr,
    way: progressWay(globals, terminal.movingStderr),
    columns: terminal.columns,
    nowMs: () => performance.now(),
    now: () => clock.now(),
  });
  const ids = twins.ids ?? realIds;

  function prompts(): Prompts | null {
    if (globals.noInput) return null;
    return twins.prompts ?? (terminal.canAsk ? terminalPrompts(streams, signal) : null);
  }

  const user = (): string => twins.user ?? callingUser(env, uid);

  const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
    let made: Promise<T> | undefined;
    return () => {
      made ??= make();
      return made;
    };
  };

  const settings = once(async () => {
    const { openSettings } = await import("./storage.ts");
    const read = openSettings({
      env,
      uid,
      flags: { connect: globals.connect ?? undefined, color: globals.color ?? undefined },
      ...(twins.systemFolder === undefined ? {} : { systemFolder: twins.systemFolder }),
    });
    isJson ||= globals.format === null && formatOf(read) === "json";
    return isBehindSudo(env, uid) ? told(read) : read;
  });
  let isJson = globals.format === "json";

  /** Null: the setting is damaged, which is said where it is used. */
  function formatOf(read: Settings): string | null {
    try {
      return read.get("format").value;
    } catch {
      return null;
    }
  }

  /** What the caller's environment leads to is said when it is asked for, once. */
  function told(read: Settings): Settings {
    const get = (key: string) => {
      const found = read.get(key);
      noteOnce(settingNote(found, twins.ownHome ?? userInfo().homedir));
      return found;
    };
    return { ...read, get };
  }

  const noted = new Set<string>();
  function noteOnce(text: string | null): void {
    if (text !== null && !noted.has(text)) report.note(text);
    if (text !== null) noted.add(text);
  }

  /** As it lies there, whosever it is. */
  const opened = once(async (): Promise<StorePort> => {
    const { openAtHome, openStore, resolveHome } = await import("./storage.ts");
    const open = (home: string): StorePort =>
      twins.store ?? openStore({ home, systemMode: uid === 0, searchPath: env.PATH });
    const home = resolveHome({ flag: globals.store ?? undefined, env, uid });
    if (!globals.store && isBehindSudo(env, uid)) noteOnce(storeNote(home, SYSTEM_STORE));
    const found = await openAtHome(open, home);
    if (!withoutStore && !(await found.isThere())) await storeIsMissing(found);
    return found;
  });

  async function storeIsMissing(found: StorePort): Promise<void> {
    const { missing, nothingYet } = await import("./core/binding/missing.ts");
    const isNamed = Boolean(globals.store || env.ESTRATO_HOME);
    const systemStore = twins.systemStore ?? SYSTEM_STORE;
    const isRootsThere = uid !== 0 && existsSync(join(systemStore, "state.json"));
    const what = { store: found, isNamed, rootsOwn: isRootsThere ? systemStore : null };
    const onlyLooks = !changes && !needsStore && terminal.stdout && terminal.stderr;
    if (isNamed || !onlyLooks) throw missing(what);
    noteOnce(nothingYet(what));
  }

  const connect = async (): Promise<string> => (await settings()).get("connect").value ?? "qemu:///system";

  /** What a store must be bound to, to be used now. */
  const here = once(async (): Promise<Binding> => {
    const [{ bindingAt }, uri] = await Promise.all([import("./core/binding/binding.ts"), connect()]);
    return bindingAt(twins.machine ?? thisMachine(), uri, uid, (await opened()).paths.home);
  });

  const record = runRecord(opened);
  let isTakenOver = false;
  const bound = once(async (): Promise<StorePort> => {
    const { boundStore } = await import("./core/binding/bound-store.ts");
    const dryRun = globals.dryRun;
    return boundStore(await opened(), {
      here: await here(),
      host: libvirt,
      dryRun,
      takenOver: () => isTakenOver,
    });
  });
  const store = once(async (): Promise<StorePort> => record.recorded(await bound()));

  async function takeOver(evenDamaged: boolean): Promise<boolean | PlanView> {
    const { takeOver: bind } = await import("./core/binding/take-over.ts");
    const answer = await bind({ store: await opened(), report, dryRun: globals.dryRun }, await here(), evenDamaged);
    isTakenOver = answer === true;
    return answer;
  }

  let made: Host | null = null;
  let isClosed = false;
  const libvirt = once(async (): Promise<Host> => {
    if (twins.host !== undefined) return twins.host as Host;
    const [{ createHost }, uri, limitMs] = await Promise.all([import("./host/index.ts"), connect(), hostLimitMs()]);
    const patience = { limitMs, signal, afterSignalMs: changes ? ANSWER_UNDER_WAY_MS : 0, onWait: tellWait };
    const trace = globals.trace ? traceChild : undefined;
    made = createHost({ uri, uid, env: { ...env }, trace, eager: changes, patience });
    if (isClosed) made.close();
    return made;
  });

  function tellWait(what: string | null): void {
    if (what === null) status.clear();
    else status.show(`Waiting for ${what === "virsh" ? "libvirt" : what} to answer`, null);
  }

  async function hostLimitMs(): Promise<number> {
    return Number((await settings()).get("host_timeout").value) * 1000;
  }

  /** Nothing is asked of a libvirt that is not the store's; it connects while the store is read. */
  async function host(): Promise<Host> {
    const connected = libvirt();
    connected.catch(() => undefined); // what is wrong with the store is told first
    await store();
    return connected;
  }

  const world = once(() => worldOf(record, store));

  async function turn(): Promise<Turn> {
    const own = record.apart();
    const made = await worldOf(own, async () => own.recorded(await bound()));
    return { world: made, record: own };
  }

  async function worldOf(of: RunRecord, storeOf: () => Promise<StorePort>): Promise<World> {
    const [openedHost, openedStore, read, { kinds }] = await Promise.all([
      host(),
      storeOf(),
      settings(),
      import("./core/operations/kinds.ts"),
    ]);
    const named = read.get("image_stores").value?.split(",") ?? [];
    const made: World = {
      kinds,
      host: { ...openedHost, perform: of.noting((action, how) => openedHost.perform(action, how)) },
      store: {
        ...openedStore,
        lock: async (...wanted) => letGoFirst(await sayingWait(openedStore.lock(...wanted)), openedHost),
        lockShared: async (...wanted) => {
          const locks = await sayingWait(openedStore.lockShared(...wanted));
          return locks === null ? null : letGoFirst(locks, openedHost);
        },
      },
      clock,
      ids,
      report,
      user: user(),
      command,
      imageStores: [SYSTEM_STORE, ...named],
      usualNetwork: await usualNetwork(read),
      lockTimeoutMs: globals.lockTimeout,
      dryRun: globals.dryRun,
      signal,
    };
    return globals.dryRun ? (await import("./core/operations/rehearsal.ts")).rehearsed(made) : made;
  }

  /** Where nobody sets one: a user's session has no networks of libvirt's, whoever it is that speaks to it. */
  async function usualNetwork(read: Settings): Promise<string | null> {
    const { value, origin } = read.get("network");
    if (origin !== "default") return value;
    const { libvirtAt } = await import("./core/binding/uri.ts");
    const { user: whose } = libvirtAt(read.get("connect").value ?? "", { uid, machineName: "" });
    return whose === null ? "default" : "user";
  }

  async function sayingWait<T>(locks: Promise<T>): Promise<T> {
    const what = "Waiting for another operation to end";
    const timer = setTimeout(() => status.show(what, null), LOCK_SAID_AFTER_MS);
    try {
      return await locks;
    } finally {
      clearTimeout(timer);
    }
  }

  function say(text: string): void {
    status.clear();
    streams.stderr.write(text);
  }

  function traceChild(child: { program: string; args: readonly string[]; ms: number; exit: number | null }): void {
    const line = [child.program, ...child.args]
      .map((word) => (/[\s'"]/.test(word) ? JSON.stringify(word) : word))
      .join(" ");
    say(`+ ${printable(line)} (${child.ms.toFixed(1)} ms, exit ${child.exit ?? "by a signal"})\n`);
  }

  const report = createReporter({ globals, env, status, say, prompts });

  async function painter(stream: "stdout" | "stderr"): Promise<Painter> {
    return loadPainter(colourAllowed(await colourWish(), terminal[stream], env));
  }

  async function colourWish(): Promise<ColourWish> {
    try {
      return (await settings()).get("color").value as ColourWish;
    } catch (error) {
      if (withoutSettings) return globals.color ?? "auto";
      throw error;
    }
  }

  return {
    surroundings,
    streams,
    terminal,
    env,
    globals,
    signal,
    command,
    clock,
    ids,
    get user() {
      return user();
    },
    report,
    status,
    prompts,
    takeDeclined: report.takeDeclined,
    takeChanged: record.takeChanged,
    stepsDone: report.stepsDone,
    logEvent: record.logEvent,
    loggedOperations: record.loggedOperations,
    nextRun: record.nextRun,
    settings,
    async checkSetting(key, value) {
      const { openSettings } = await import("./storage.ts");
      openSettings({ env: {}, uid, flags: { [key]: value } }).get(key);
    },
    async revertKeepMs() {
      return parseDuration((await settings()).get("revert_keep").value ?? "24h", "revert_keep");
    },
    store,
    storeIsMissing,
    takeOver,
    host,
    world,
    turn,
    cores: twins.cores ?? availableParallelism(),
    painter,
    close() {
      isClosed = true;
      made?.close();
    },
    reportError(error) {
      const known = toldError(error, command, env);
      if (globals.trace) say(errorTrace(known));
      say(isJson ? errorJson(known, command, EXIT_CODES[known.code]) : errorLine(known));
      return known;
    },
  };
}
