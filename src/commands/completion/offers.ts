/** What could be the value of an option, or the word of an argument. */
import type { Completion } from "../framework/arguments.ts";
import { type Candidate, candidates, kindMeant, liveCandidates } from "../framework/candidates.ts";
import { GLOBAL_OPTIONS } from "../framework/globals.ts";
import { verbNamed } from "../framework/noun.ts";
import type { OptionSpec } from "../framework/options.ts";
import type { Catalogue, Verb } from "../framework/tree.ts";
import type { Sources } from "./sources.ts";

/** Where the cursor is. */
export interface Place {
  readonly catalogue: Catalogue;
  /** `flavor list` */
  readonly path: string;
  readonly verb: Verb;
  /** What stands behind the verb, before the word that is typed. */
  readonly words: readonly string[];
  readonly current: string;
  readonly sources: Sources;
  /** Those of `words` that are arguments. */
  readonly operands?: readonly string[];
}

/** `option` null: an argument is wanted. */
export async function valuesOf(
  option: OptionSpec<unknown> | null,
  complete: Completion,
  place: Place,
): Promise<Candidate[]> {
  if (option === GLOBAL_OPTIONS.filter) return filters(place);
  if (option === GLOBAL_OPTIONS.column || option === GLOBAL_OPTIONS.sort) return columns(place.verb);
  if (typeof complete !== "string") return plain(complete);
  switch (complete) {
    case "file":
    case "folder":
      return plain([`:${complete}`]);
    case "network": {
      const names = await (await place.sources.host()).listNetworks();
      return plain(option === null ? names : [...names, "user", "none"]); // which are none of libvirt's
    }
    case "owner":
      return plain(["self", "all", ...distinct(await rows(place), "owner")]);
    case "running":
      return liveCandidates(complete, place.sources);
    case "backup":
      return backups(place);
    case "setting-value": {
      const kind = (await place.sources.settings()).completes(place.operands?.[0] ?? "");
      return valuesOf(null, kind, place);
    }
    case "of-noun":
      return valuesOf(null, kindMeant(complete, place.operands?.[0]), place);
    default:
      return candidates(complete, place.sources);
  }
}

function plain(values: readonly string[]): Candidate[] {
  return values.map((value) => ({ value, description: "" }));
}

function columns(verb: Verb): Candidate[] {
  return verb.result.columns.map(({ key, header }) => ({ value: key, description: header }));
}

/** `KEY=`, and behind it what is there now. */
async function filters(place: Place): Promise<Candidate[]> {
  const at = place.current.indexOf("=");
  if (at < 0) {
    const { verb } = place.verb.result.shape === "list" ? place : ((await listFor(place)) ?? place);
    return columns(verb).map((one) => ({ ...one, value: `${one.value}=` }));
  }
  const key = place.current.slice(0, at);
  return plain(distinct(await rows(place), key).map((value) => `${key}=${value}`));
}

/** What this line would list, or of what it would be done to. */
async function rows(place: Place): Promise<Record<string, unknown>[]> {
  const list = await listFor(place);
  return list === null ? [] : place.sources.rows(list.path, list.verb, list.words);
}

/**
 * The list that --filter chooses from: this very line, where it is one, or the noun's. No other verb is ever run here:
 * somebody has pressed a key, and has not ended the line. Null: there is none.
 */
async function listFor({
  path,
  verb,
  words,
  catalogue,
}: Place): Promise<Pick<Place, "path" | "verb" | "words"> | null> {
  if (path.endsWith(" list")) return { path, verb, words };
  const [first] = Object.values(verb.arguments);
  const noun = verb.chooses ?? (first?.many === true ? first.complete : null);
  const list = await listOf(catalogue, String(noun));
  return list === null ? null : { path: `${noun} list`, verb: list, words: targetIn(list, words) };
}

async function listOf(catalogue: Catalogue, name: string): Promise<Verb | null> {
  const entry = catalogue[name];
  if (entry === undefined || !("noun" in entry)) return null;
  const list = verbNamed((await entry.noun()).default, "list");
  return list === null ? null : (await list[1].load()).default;
}

/** `--target DIR`, where the list knows it. */
function targetIn({ options }: Verb, words: readonly string[]): readonly string[] {
  const at = words.lastIndexOf("--target");
  return at < 0 || options.target === undefined ? [] : words.slice(at, at + 2);
}

function distinct(all: readonly Record<string, unknown>[], key: string): string[] {
  const cells = all.flatMap((row) => row[key]).filter((cell) => cell !== null && cell !== undefined);
  return [...new Set(cells.filter((cell) => typeof cell !== "object").map(String))].sort();
}

/** All that the targets hold, the newest first: by id, and by the name that it has of its instance. */
async function backups({ catalogue, sources, words }: Place): Promise<Candidate[]> {
  const list = await listOf(catalogue, "backup");
  const found = list === null ? [] : await sources.rows("backup list", list, targetIn(list, words));
  return found.toReversed().flatMap(({ id, name, instance, created_at }) => {
    const called = name === null ? [] : [`${instance}/${name}`];
    const description = [...called, created_at].join(" ");
    return [...called.map((value) => ({ value, description: String(created_at) })), { value: String(id), description }];
  });
}
