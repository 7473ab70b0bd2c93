/** The operations under way: one file per entry, there before the first outside effect, gone after the last. */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { JournalEntry } from "../core/model/journal.ts";
import { EstratoError } from "../errors.ts";
import {
  namesIn,
  readStored,
  removeAbandoned,
  removeDurably,
  syncFolder,
  textsIn,
  writeDurably,
} from "./durable-file.ts";
import { checkedFileName } from "./file-names.ts";
import { errnoOf, hostError } from "./host-error.ts";
import { isAnotherAlive, type Owner, ownerSchema, thisProcess } from "./owner.ts";

const ENTRY_ID = /^op-[0-9a-f]{17}$/;
const SUFFIX = ".json";

const entrySchema = v.object({
  id: v.pipe(v.string(), v.regex(ENTRY_ID)),
  kind: v.string(),
  version: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 1),
  parent: v.exactOptional(v.nullable(v.string())),
  locks: v.array(v.string()),
  createdAt: v.string(),
  command: v.string(),
  data: v.unknown(),
});
/** Who works on it, beside what core remembers; an entry of before has none, and one that was left open neither. */
const ownedSchema = v.object({ owner: ownerSchema });

/** An entry that cannot be read. */
interface DamagedEntry {
  readonly name: string;
  readonly why: string;
}

export interface Journal {
  open(entry: JournalEntry): Promise<void>;
  close(id: string): Promise<void>;
  /** Has this process opened or claimed it? */
  isMine(id: string): boolean;
  /** From now on the entry is worked on by this process. */
  claim(id: string): Promise<void>;
  /** What this process has opened or claimed on these locks, and leaves open, is nobody's work from now on. */
  disown(locks: readonly string[]): void;
  /** The locks that another process works under, by what it has in the journal. */
  lockedByOthers(): Set<string>;
  list(): Promise<JournalEntry[]>;
  scan(): Promise<{ entries: JournalEntry[]; damaged: DamagedEntry[] }>;
  setAside(name: string): Promise<string>;
  aside(): Promise<{ path: string; text: string }[]>;
}

/** The journal in `folder`. `makeFolders` is called before the first write. */
export function journal(folder: string, makeFolders: () => void, now: () => Date): Journal {
  /** By id: on which locks. */
  const mine = new Map<string, readonly string[]>();

  /** Durable. */
  function write(entry: JournalEntry, owner: Owner | null): void {
    const text = entryText(entry);
    const owned = owner === null ? text : `${JSON.stringify({ ...entry, owner }, undefined, 1)}\n`;
    writeDurably(join(folder, fileNameOf(entry.id)), owned);
  }

  async function scan(): Promise<{ entries: JournalEntry[]; damaged: DamagedEntry[] }> {
    const entries: JournalEntry[] = [];
    const damaged: DamagedEntry[] = [];
    for (const name of namesIn(folder)) {
      if (name === DAMAGED_FOLDER) continue;
      try {
        const entry = readEntry(folder, name);
        if (entry !== null) entries.push(entry);
      } catch (error) {
        damaged.push({ name, why: error instanceof Error ? error.message : String(error) });
      }
    }
    return { entries: entries.sort(byAge), damaged };
  }

  return {
    async open(entry) {
      fileNameOf(entry.id);
      entryText(entry);
      makeFolders();
      removeAbandoned(folder, now().getTime());
      write(entry, thisProcess());
      mine.set(entry.id, entry.locks);
    },

    async close(id) {
      removeDurably(join(folder, fileNameOf(id)));
      mine.delete(id);
    },

    isMine: (id) => mine.has(id),

    async claim(id) {
      const entry = readEntry(folder, fileNameOf(id));
      if (entry === null) return;
      write(entry, thisProcess());
      mine.set(id, entry.locks);
    },

    disown(locks) {
      for (const [id, under] of mine) {
        if (!under.some((name) => locks.includes(name))) continue;
        mine.delete(id);
        try {
          const entry = readEntry(folder, fileNameOf(id));
          if (entry !== null) write(entry, null);
        } catch {
          // It says that we work on it as long as we live: whoever recovers it waits for that
        }
      }
    },

    lockedByOthers() {
      const locked = new Set<string>();
      for (const { text } of textsIn(folder)) {
        const found = ownedEntry(text);
        if (found !== null && isAnotherAlive(found.owner)) for (const name of found.locks) locked.add(name);
      }
      return locked;
    },

    async list() {
      const { entries, damaged } = await scan();
      const [first] = damaged;
      if (first === undefined) return entries;
      throw new EstratoError("integrity", `${join(folder, first.name)}: damaged journal entry: ${first.why}`, {
        hint: "Run `estrato doctor --repair`.",
      });
    },

    scan,

    async setAside(name) {
      const from = join(folder, checkedFileName("journal entry", name));
      let to = join(folder, DAMAGED_FOLDER, name);
      try {
        mkdirSync(join(folder, DAMAGED_FOLDER), { recursive: true, mode: 0o700 });
        // The one that was set aside under that name before is somebody's evidence too
        for (let more = 1; existsSync(to); more += 1) to = join(folder, DAMAGED_FOLDER, `${name}.${more}`);
        renameSync(from, to);
      } catch (error) {
        throw hostError(from, error);
      }
      syncFolder(join(folder, DAMAGED_FOLDER));
      syncFolder(folder);
      return to;
    },

    aside: async () => textsIn(join(folder, DAMAGED_FOLDER)),
  };
}

const DAMAGED_FOLDER = "damaged";

/** By time, then by id: two runs of recovery go the same way. */
export function byAge(a: JournalEntry, b: JournalEntry): number {
  return compare(a.createdAt, b.createdAt) || compare(a.id, b.id);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The text of an entry that can be read back; "usage" for one that could not. */
export function entryText(entry: JournalEntry): string {
  const text = JSON.stringify(entry, undefined, 1);
  parseEntry(text);
  return `${text}\n`;
}

/** Null where it was closed while we looked. */
function readEntry(folder: string, name: string): JournalEntry | null {
  let text: string;
  try {
    text = readStored(join(folder, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw hostError(name, error);
  }
  const entry = parseEntry(text);
  if (fileNameOf(entry.id) !== name) throw new EstratoError("integrity", `it says that it is ${entry.id}`);
  return entry;
}

/** The entry in a file's text. Throws where there is none: "integrity", or what JSON.parse says. */
export function parseEntry(text: string): JournalEntry {
  const raw: unknown = JSON.parse(text);
  const result = v.safeParse(entrySchema, raw, { abortEarly: true });
  if (result.success && "data" in result.output) return result.output;
  const issue = result.issues?.[0];
  const path = issue === undefined ? "data" : v.getDotPath(issue);
  throw new EstratoError("integrity", `${path ?? "entry"}: ${issue?.message ?? "missing"}`);
}

/** Null where it says no owner, or cannot be read: then the locks alone say who works. */
function ownedEntry(text: string): { readonly locks: readonly string[]; readonly owner: Owner } | null {
  try {
    return { locks: parseEntry(text).locks, owner: v.parse(ownedSchema, JSON.parse(text)).owner };
  } catch {
    return null;
  }
}

function fileNameOf(id: string): string {
  if (ENTRY_ID.test(id)) return `${id}${SUFFIX}`;
  throw new EstratoError("usage", `journal entry ${JSON.stringify(id)}: not an id of an operation`);
}
