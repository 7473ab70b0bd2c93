/**
 * A process of its own around the store, for what only real processes can show. `HOME VERB …`; bundled by processes.ts.
 */
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { EstratoError } from "../../../src/errors.ts";
import { openStore } from "../../../src/store/index.ts";
import { count, journalEntry, keypair } from "./samples.ts";

const [home = "", verb = "", ...rest] = process.argv.slice(2);
const store = openStore({ home, systemMode: false });

/** A line that has left the process when this returns: a kill after it does not unsay it. */
function say(line: string): void {
  writeFileSync(1, `${line}\n`);
}

async function increment(): Promise<number> {
  return store.update((draft) => {
    const next = count(draft) + 1;
    draft.keypairs.counter = keypair("counter", String(next));
    return next;
  });
}

const verbs: Record<string, () => Promise<void>> = {
  /** N increments, each said when it is done. */
  async increment() {
    for (let left = Number(rest[0]); left > 0; left -= 1) say(String(await increment()));
  },

  /** So many rows in one transaction. */
  async many() {
    await store.update((draft) => {
      for (let left = Number(rest[0]); left > 0; left -= 1) draft.keypairs[`key${left}`] = keypair(`key${left}`);
    });
  },

  /** Increments without an end, with the journal around each. */
  async work() {
    for (;;) {
      const entry = journalEntry(`op-${String(count(await store.read()) + 1).padStart(17, "0")}`);
      await store.journal.open(entry);
      const reached = await increment();
      await store.journal.close(entry.id);
      say(String(reached));
    }
  },

  /** Holds a lock until killed; "with-child": so does a child that inherited it, whose id is said. */
  async hold() {
    const held = await store.lock([rest[0] ?? ""], 0);
    if (rest[1] === "with-child") {
      const child = spawn("sleep", ["600"], { stdio: ["ignore", "ignore", "ignore", held.fds[0]], detached: true });
      say(`child ${child.pid}`);
    }
    say("held");
    setInterval(() => {}, 60_000);
  },

  /** Waits for a lock that another holds. */
  async wait() {
    say("waiting");
    await store.lock([rest[0] ?? ""], 600_000);
  },

  /** Each kind of write once. */
  async once() {
    const entry = journalEntry("op-00000000000000001");
    await store.journal.open(entry);
    await increment();
    await store.writeRecord("one.xml", "<one/>");
    await store.removeRecord("one.xml");
    await store.journal.close(entry.id);
  },

  /** Tries updates of growing size, and the small files, and says how each ended. */
  async grow() {
    for (const [what, effect] of Object.entries(growths)) say(`${what} ${await outcome(effect)}`);
  },
};

const big = "x".repeat(Number(rest[0] ?? 0));
const growths: Record<string, () => Promise<unknown>> = {
  update: () =>
    store.update((draft) => {
      draft.keypairs.big = keypair("big", big);
    }),
  record: () => store.writeRecord("big.xml", big),
  journal: () => store.journal.open({ ...journalEntry("op-00000000000000001"), data: big }),
};

async function outcome(effect: () => Promise<unknown>): Promise<string> {
  try {
    await effect();
    return "done";
  } catch (error) {
    return error instanceof EstratoError ? `${error.code}: ${error.message}` : `unexpected: ${String(error)}`;
  }
}

await verbs[verb]?.();
