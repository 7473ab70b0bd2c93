/** The operations under way: one file per entry, there before the first outside effect, gone after the last. */
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import type { JournalEntry } from "../core/model/journal.ts";
import { EstratoError } from "../errors.ts";
import { compareAges } from "../order.ts";
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
import { busy } from "./locks.ts";
import { isAnotherAlive, isThis, type Owner, ownerSchema, thisProcess } from "./owner.ts";

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
const ownedSchema = v.object({ owner: v.optional(ownerSchema) });

interface OwnedEntry {
  readonly entry: JournalEntry;
  /** Null where it says none that can be read: then the locks alone say who works. */
  readonly owner: Owner | null;
}

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
  /**
   * From now on the entry is worked on by this process; "conflict" where it is by another one, which lives. One process
   * at a time may be at this.
   */
  claim(id: string): Promise<void>;
  /** It is not, after all. */
  giveBack(id: string): void;
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

  /** Durable. Only where this process is who works on it: another may have claimed it since. */
  function giveBack(id: string): void {
    mine.delete(id);
    const found = readEntry(folder, fileNameOf(id));
    if (found === null || found.owner === null || !isThis(found.owner)) return;
    writeDurably(join(folder, fileNameOf(id)), entryText(found.entry));
  }

  async function scan(): Promise<{ entries: JournalEntry[]; damaged: DamagedEntry[] }> {
    const entries: JournalEntry[] = [];
    const damaged: DamagedEntry[] = [];
    for (const name of namesIn(folder)) {
      if (name === DAMAGED_FOLDER) continue;
      try {
        const found = readEntry(folder, name);
        if (found !== null) entries.push(found.entry);
      } catch (error) {
        damaged.push({ name, why: error instanceof Error ? error.message : String(error) });
      }
    }
    return { entries: entries.sort(compareAges), damaged };
  }

  return {
    async open(entry) {
      const [name, text] = [fileNameOf(entry.id), entryText(entry, thisProcess())];
      makeFolders();
      removeAbandoned(folder, now().getTime());
      writeDurably(join(folder, name), text);
      mine.set(entry.id, entry.locks);
    },

    async close(id) {
      removeDurably(join(folder, fileNameOf(id)));
      mine.delete(id);
    },

    isMine: (id) => mine.has(id),

    async claim(id) {
      const found = readEntry(folder, fileNameOf(id));
      if (found === null) return;
      if (found.owner !== null && isAnotherAlive(found.owner)) throw busy(found.entry.locks[0] ?? id);
      writeDurably(join(folder, fileNameOf(id)), entryText(found.entry, thisProcess()));
      mine.set(id, found.entry.locks);
    },

    giveBack,

    disown(locks) {
      for (const [id, under] of mine) {
        if (!under.some((name) => locks.includes(name))) continue;
        try {
          giveBack(id);
        } catch {
          // It says that we work on it as long as we live: whoever recovers it waits for that
        }
      }
    },

    lockedByOthers() {
      const locked = new Set<string>();
      for (const { text } of textsIn(folder)) {
        for (const name of livingLocks(text)) locked.add(name);
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

/** The text of an entry that can be read back; "usage" for one that could not. */
export function entryText(entry: JournalEntry, owner: Owner | null = null): string {
  const text = JSON.stringify(owner === null ? entry : { ...entry, owner }, undefined, 1);
  parseEntry(text);
  return `${text}\n`;
}

/** Null where it was closed while we looked. */
function readEntry(folder: string, name: string): OwnedEntry | null {
  let text: string;
  try {
    text = readStored(join(folder, name));
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return null;
    throw hostError(name, error);
  }
  const found = parseOwned(text);
  const { id } = found.entry;
  if (fileNameOf(id) !== name) throw new EstratoError("integrity", `it says that it is ${id}`);
  return found;
}

/** The entry in a file's text. Throws where there is none: "integrity", or what JSON.parse says. */
export function parseEntry(text: string): JournalEntry {
  return parseOwned(text).entry;
}

function parseOwned(text: string): OwnedEntry {
  const raw: unknown = JSON.parse(text);
  const result = v.safeParse(entrySchema, raw, { abortEarly: true });
  if (result.success && "data" in result.output) {
    const owned = v.safeParse(ownedSchema, raw);
    return { entry: result.output, owner: (owned.success ? owned.output.owner : null) ?? null };
  }
  const issue = result.issues?.[0];
  const path = issue === undefined ? "data" : v.getDotPath(issue);
  throw new EstratoError("integrity", `${path ?? "entry"}: ${issue?.message ?? "missing"}`);
}

/** None where nobody else who lives works on it, or it cannot be read. */
function livingLocks(text: string): readonly string[] {
  try {
    const { entry, owner } = parseOwned(text);
    return owner !== null && isAnotherAlive(owner) ? entry.locks : [];
  } catch {
    return [];
  }
}

function fileNameOf(id: string): string {
  if (ENTRY_ID.test(id)) return `${id}${SUFFIX}`;
  throw new EstratoError("usage", `journal entry ${JSON.stringify(id)}: not an id of an operation`);
}
