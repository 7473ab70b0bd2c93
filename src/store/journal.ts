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

/** An entry that cannot be read. */
interface DamagedEntry {
  readonly name: string;
  readonly why: string;
}

export interface Journal {
  open(entry: JournalEntry): Promise<void>;
  close(id: string): Promise<void>;
  list(): Promise<JournalEntry[]>;
  scan(): Promise<{ entries: JournalEntry[]; damaged: DamagedEntry[] }>;
  setAside(name: string): Promise<string>;
  aside(): Promise<{ path: string; text: string }[]>;
}

/** The journal in `folder`. `makeFolders` is called before the first write. */
export function journal(folder: string, makeFolders: () => void, now: () => Date): Journal {
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
      const name = fileNameOf(entry.id);
      const text = entryText(entry);
      makeFolders();
      removeAbandoned(folder, now().getTime());
      writeDurably(join(folder, name), text);
    },

    async close(id) {
      removeDurably(join(folder, fileNameOf(id)));
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

function fileNameOf(id: string): string {
  if (ENTRY_ID.test(id)) return `${id}${SUFFIX}`;
  throw new EstratoError("usage", `journal entry ${JSON.stringify(id)}: not an id of an operation`);
}
