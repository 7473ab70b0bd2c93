/** What must be whole before anything else can be looked at: the state itself, and the entries of the journal. */
import { EstratoError } from "../../errors.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { type Finding, unmendable } from "./finding.ts";

/**
 * The state; null where it is damaged, lost, or older than what was stored last. Throws what else reading it throws.
 */
export async function stateOrNull(world: World): Promise<State | null> {
  try {
    return await world.store.read();
  } catch (error) {
    if (error instanceof EstratoError && error.code === "integrity") return null;
    throw error;
  }
}

/** The state can be read, and so can every entry of the journal. Reads only. */
export async function examineRemembered(world: World): Promise<Finding[]> {
  return [...(await examineState(world)), ...(await examineJournal(world))];
}

async function examineState(world: World): Promise<Finding[]> {
  try {
    await world.store.read();
    return [];
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "integrity") throw error;
    return [
      {
        subject: "the state",
        problem: error.message,
        remedy: "Put it together again, from its last good copy and from what is kept of each thing.",
        mending: { locks: [], loses: [], mend: restore },
      },
    ];
  }
}

/** What may not be written to can be read for ever, and looks well, while every backup fails. */
export async function examineWritable(world: World): Promise<Finding[]> {
  try {
    await world.store.requireWritable();
    return [];
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "host") throw error;
    return [unmendable("the store", `nothing can be changed: ${error.message}`, error.hint ?? "")];
  }
}

/** It was put together from parts. Only a person can say that nothing is missing. */
export async function examineDoubt(world: World): Promise<Finding[]> {
  const path = await world.store.doubt();
  if (path === null) return [];
  return [
    unmendable(
      "the state",
      "it was put together from an older copy and from what was kept of each thing, and may lack something: nothing is freed or merged, and no file is taken for one that nothing remembers",
      `Look whether all is there, then remove ${path}.`,
    ),
  ];
}

async function restore(world: World): Promise<void> {
  const { from, damagedFile } = await world.store.restoreLastGood();
  if (from !== null) world.report.note(`the state: put together from ${from}`);
  if (damagedFile !== null) world.report.note(`the state: what was damaged lies in ${damagedFile}`);
}

async function examineJournal(world: World): Promise<Finding[]> {
  const { damaged } = await world.store.journal.scan();
  return damaged.map(({ name, why }) =>
    unreadableEntry(name, why, [], async (w) =>
      // Whoever works on it may have written it anew, or ended.
      (await w.store.journal.scan()).damaged.some((one) => one.name === name),
    ),
  );
}

/** An entry of the journal, by the name of its file, that nobody can end. `isStillSo`: asked before it is put aside. */
export function unreadableEntry(
  name: string,
  why: string,
  locks: readonly string[],
  isStillSo: (world: World) => Promise<boolean>,
): Finding {
  return {
    subject: `journal entry ${name}`,
    problem: `it cannot be read (${why}): what that operation was, and how far it came, nobody can know`,
    remedy: "Put it aside. What it had half made is found as any other difference; nothing goes that holds something.",
    mending: {
      locks,
      loses: [],
      mend: async (w) => {
        if (!(await isStillSo(w))) return;
        w.report.note(`journal entry ${name}: lies in ${await w.store.journal.setAside(name)}`);
      },
    },
  };
}
