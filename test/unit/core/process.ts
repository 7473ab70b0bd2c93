/**
 * Commands on a host and a store in memory, each in a process of its own. Any can be killed, and libvirt can go away
 * under any.
 */
import { kinds } from "../../../src/core/operations/kinds.ts";
import type { Reporter, World } from "../../../src/core/ports.ts";
import { type FakeClock, fakeClock, fakeIds } from "../../fake/clock.ts";
import { type CrashPhase, type FakeHost, type FakeMachine, fakeHost, fakeMachine } from "../../fake/host.ts";
import { withOutage } from "../../fake/host-outage.ts";
import { Crash, type FakeDisk, type FakeStore, fakeDisk, fakeStore } from "../../fake/store.ts";

/** What outlives commands. */
export interface Bed {
  readonly machine: FakeMachine;
  readonly disk: FakeDisk;
  readonly clock: FakeClock;
  readonly ids: World["ids"];
}

/** Where a command is to die: at a write of the store, in an action of the host, or at an event of `report.step`. */
export type CrashPoint =
  | { readonly at: "write"; readonly index: number; readonly phase: "before" | "after" }
  | { readonly at: "action"; readonly index: number; readonly phase: CrashPhase }
  | { readonly at: "step"; readonly index: number };

/** One command's process. */
export interface Process extends World {
  readonly host: FakeHost;
  readonly store: FakeStore;
  readonly notes: string[];
  readonly asked: Parameters<Reporter["confirm"]>[0][];
  readonly steps: string[];
}

/** From which action of the host on libvirt answers nothing, and how far that one came. */
export interface Outage {
  readonly index: number;
  readonly phase: CrashPhase;
}

export interface How {
  readonly crash?: CrashPoint;
  readonly outage?: Outage;
  readonly dryRun?: boolean;
  readonly answer?: boolean;
  readonly signal?: AbortSignal;
  readonly user?: string;
  /** Who the process is, where it is not the owner of all. */
  readonly uid?: number;
  /** Where its store lies. */
  readonly home?: string;
  readonly imageStores?: readonly string[];
}

export function bed(): Bed {
  return { machine: fakeMachine(), disk: fakeDisk(), clock: fakeClock(), ids: fakeIds() };
}

/** The same once more; what happens on it leaves the original as it is. Its ids begin with another digit. */
export function copyOf({ machine, disk, clock }: Bed): Bed {
  return {
    machine: structuredClone(machine),
    disk: structuredClone(disk),
    clock: fakeClock(clock.now()),
    ids: fakeIds("f"),
  };
}

export function command({ machine, disk, clock, ids }: Bed, how: How = {}): Process {
  const { crash, home, uid } = how;
  const store = fakeStore({
    disk,
    ...(home === undefined ? {} : { home }),
    ...(crash?.at === "write" ? { crashAt: crash } : {}),
  });
  const host = fakeHost({
    machine,
    ...(uid === undefined ? {} : { uid }),
    ...(crash?.at === "action" ? { crashAt: crash } : {}),
  });
  /** A process dies as a whole. */
  const dying =
    <A extends unknown[], R>(work: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      try {
        return await work(...args);
      } catch (error) {
        if (error instanceof Crash) {
          store.crash();
          host.crash();
        }
        throw error;
      }
    };
  const { update, writeRecord, removeRecord, journal } = store;
  store.update = ((change) => dying(() => update(change))()) as FakeStore["update"];
  store.writeRecord = dying(writeRecord);
  store.removeRecord = dying(removeRecord);
  journal.open = dying(journal.open);
  const { close } = journal;
  journal.close = dying(async (id) => {
    if (underWay > 0) throw new Error(`${id}: closed while an action is still under way`);
    await close(id);
  });
  const records = store.paths.record("x").slice(0, -1);
  const perform = withRecords(host, disk, records);
  let underWay = 0;
  host.perform = dying(async (action, options) => {
    underWay += 1;
    try {
      await perform(action, options);
    } finally {
      underWay -= 1;
    }
  });
  const listFolder = host.listFolder;
  host.listFolder = async (path) =>
    path.replace(/\/*$/, "/") === records ? [...disk.records.keys()].sort() : listFolder(path);
  if (how.outage !== undefined) withOutage(host, how.outage);
  const [notes, asked, steps]: [string[], Process["asked"], string[]] = [[], [], []];
  const report: Reporter = {
    note: (text) => notes.push(text),
    progress: () => undefined,
    step: ({ title, phase }) => {
      if (crash?.at === "step" && crash.index === steps.length) {
        store.crash();
        host.crash();
        throw new Crash(`${phase} "${title}"`);
      }
      steps.push(`${phase} ${title}`);
    },
    confirm: async (question) => {
      asked.push(question);
      return how.answer ?? true;
    },
  };
  return {
    kinds,
    host,
    store,
    clock,
    ids,
    report,
    notes,
    asked,
    steps,
    user: how.user ?? "ana",
    command: "estrato test",
    ...(how.imageStores === undefined ? {} : { imageStores: how.imageStores }),
    lockTimeoutMs: 0,
    dryRun: how.dryRun ?? false,
    signal: how.signal ?? new AbortController().signal,
  };
}

/** Records are files of the store: on a real host an unlink finds them, on the fakes they lie elsewhere. */
function withRecords(host: FakeHost, disk: FakeDisk, records: string): FakeHost["perform"] {
  const perform = host.perform;
  return async (action, options) => {
    await perform(action, options);
    if (action.do === "unlink" && action.path.startsWith(records))
      disk.records.delete(action.path.slice(records.length));
  };
}
