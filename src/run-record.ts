/** What one run of the program has changed and logged: for `changed` in what it prints, and for `event list`. */
import type { OperationEvent } from "./core/model/journal.ts";
import type { StorePort } from "./core/ports.ts";

export interface RunRecord {
  /** `work`, which changes something wherever it is called. */
  readonly noting: <A extends unknown[], R>(work: (...all: A) => R) => (...all: A) => R;
  /** The store that this run has come to: its changes are noted, and what it logs. */
  readonly recorded: (store: StorePort) => StorePort;
  /** Has anything been recorded or done since this was asked last? */
  readonly takeChanged: () => boolean;
  /** Writes into the store's log, where this run has come to the store and it is there; never throws. */
  readonly logEvent: (event: OperationEvent) => Promise<void>;
  /** The operations that were logged since the last nextRun(). */
  readonly loggedOperations: () => readonly string[];
  /** What is logged from now on belongs to another target. */
  readonly nextRun: () => void;
  /** Of one of several targets that are worked on at the same time: knows nothing of the others. */
  readonly apart: () => RunRecord;
}

/** `opened`: the store as it lies there, whosever it is. */
export function runRecord(opened: () => Promise<StorePort>, runs = { count: 0 }): RunRecord {
  let changed = false;
  let isOurs = false;
  let logged: string[] = [];
  let run = runs.count;
  const beganMs = Math.round(Date.now() - process.uptime() * 1000);
  const runId = (): string => `${process.pid}-${beganMs}-${run}`;

  const noting: RunRecord["noting"] =
    (work) =>
    (...all) => {
      changed = true;
      return work(...all);
    };

  return {
    noting,

    recorded(store) {
      isOurs = true;
      const append = async (event: OperationEvent) => {
        logged.push(event.operation);
        await store.events.append({ ...event, run: runId() });
      };
      return { ...store, update: noting((effect) => store.update(effect)), events: { ...store.events, append } };
    },

    takeChanged() {
      const was = changed;
      changed = false;
      return was;
    },

    async logEvent(event) {
      try {
        // As it lies there: a refusal binds no store.
        const { isThere, events } = await opened();
        if (isOurs && (await isThere())) await events.append({ ...event, run: runId() });
      } catch {
        // for people alone
      }
    },

    loggedOperations: () => logged,

    nextRun() {
      logged = [];
      runs.count += 1;
      run = runs.count;
    },

    apart() {
      runs.count += 1;
      return runRecord(opened, runs);
    },
  };
}
