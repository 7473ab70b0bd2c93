/** Targets that no word of the line names: a list at standard input (`-`), or all that --filter chooses. */
import { EstratoError } from "../../errors.ts";
import type { Column } from "../../ui/output/columns.ts";
import { selectionOf } from "../../ui/output/options.ts";
import { selectRows } from "../../ui/output/select.ts";
import type { ArgumentSpec, Completion } from "./arguments.ts";
import { readTextFile } from "./files.ts";
import { type Line, parseLine } from "./parse.ts";
import type { Context, Verb } from "./tree.ts";

/** Is --filter of this line, with --sort and --limit, a choice of what the verb is done to, not of rows it prints? */
export function isChoiceByFilter(verb: Verb, line: Line): boolean {
  if (line.globals.filter.length === 0 || verb.result.shape === "list") return false;
  return verb.chooses !== null || (line.operands.length === 0 && targetsOf(verb) !== null);
}

/** Do `-` or --filter name what the verb is done to? It is a list then, however many it comes to be. */
export function isNamedByList(verb: Verb, line: Line): boolean {
  return isChoiceByFilter(verb, line) || (targetsOf(verb) !== null && line.operands.includes("-"));
}

/**
 * Throws "usage" for --filter, --limit and --sort where they would choose nothing: whoever typed them means fewer than
 * would be worked on. Rows of a list are chosen where it is only looked at (`changes` false).
 */
export function requireUseOfChoice(name: string, verb: Verb, line: Line, changes: boolean): void {
  if (isChoiceByFilter(verb, line)) return;
  const isList = verb.result.shape === "list";
  const { filter, limit, sort } = line.globals;
  const given = {
    "--filter": filter.length > 0 && !(isList && !changes),
    "--limit": limit !== null && !(isList && !changes),
    "--sort": sort !== null && !isList,
  };
  const odd = Object.entries(given).find(([, is]) => is)?.[0];
  if (odd === undefined) return;
  const [named] = line.operands;
  if (!isList && named !== undefined && targetsOf(verb) !== null) {
    throw new EstratoError("usage", `${name}: ${odd} and ${JSON.stringify(named)}: either chooses`, {
      hint: "Name what is meant, or let --filter choose it, of which --limit takes the first.",
    });
  }
  const why = isList ? "it would choose what is printed, not what is done" : "there is nothing that it could choose";
  throw new EstratoError("usage", `${name}: ${odd}: ${why}`, {
    hint: isList ? "Leave it out; --query chooses what is printed." : "Leave it out.",
  });
}

/**
 * Of a verb that says what --filter chooses: the ids of what is chosen; null where nothing is to be. Throws "usage"
 * where the line names something besides, "not_found" where nothing fits: what was to be made of it would be missing.
 */
export async function chosenByFilter(verb: Verb, line: Line, context: Context): Promise<readonly string[] | null> {
  if (verb.chooses === null || !isChoiceByFilter(verb, line)) return null;
  const noun = verb.chooses;
  const [named] = line.operands;
  if (named !== undefined) {
    throw new EstratoError("usage", `${context.name}: --filter and ${JSON.stringify(named)}: either chooses`, {
      hint: `Name ${noun}s, or let --filter choose them.`,
    });
  }
  const ids = await fitting({ complete: noun, label: noun }, verb, context);
  if (ids.length > 0) return ids;
  throw new EstratoError("not_found", `${context.name}: no ${noun} fits ${context.globals.filter.join(" and ")}`, {
    hint: `See what there is: estrato ${noun} list.`,
  });
}

/** No things, but words and files. */
const NO_THINGS: readonly unknown[] = ["nothing", "command", "file", "folder"] satisfies Completion[];

/** The argument that takes several things there are; null where none does, or it is not the first. */
function targetsOf(verb: Verb): ArgumentSpec<unknown> | null {
  const [first] = Object.values(verb.arguments);
  if (first?.many !== true || typeof first.complete !== "string") return null;
  return NO_THINGS.includes(first.complete) ? null : first;
}

/**
 * The operands with what `-` and --filter stand for; null where they stand for nothing at all: then there is nothing to
 * do. Throws "usage" for a filter or an order that the list of these things does not have.
 */
export async function targetWords(verb: Verb, line: Line, context: Context): Promise<readonly string[] | null> {
  const spec = targetsOf(verb);
  if (spec === null) return line.operands;
  if (isChoiceByFilter(verb, line)) return orNothing(await fitting(spec, verb, context));
  if (!line.operands.includes("-")) return line.operands;
  const text = await readTextFile("-", context.streams, context.factory.signal);
  // Of rows with several columns the first names it. Blanks may be a name's own: without them it would be another's.
  const named = text.split(/\r?\n/).flatMap((row) => (row.trim() === "" ? [] : (row.split("\t")[0] ?? [])));
  return orNothing(line.operands.flatMap((word) => (word === "-" ? named : [word])));
}

function orNothing(words: readonly string[]): readonly string[] | null {
  return words.length === 0 ? null : words;
}

/**
 * The ids of what the noun's own list shows with these filters, this order and this limit, and with those options of
 * the verb that are the list's own, too: the folder that holds the backups.
 */
async function fitting(
  { complete, label }: Pick<ArgumentSpec<unknown>, "complete" | "label">,
  verb: Verb,
  context: Context,
): Promise<string[]> {
  const entry = context.catalogue[String(complete)];
  const noun = entry !== undefined && "noun" in entry ? (await entry.noun()).default : undefined;
  if (noun?.verbs.list === undefined) {
    throw new EstratoError("usage", `${context.name}: --filter cannot choose ${label}`, { hint: "Name each of them." });
  }
  const list = (await noun.verbs.list.load()).default;
  const columns: readonly Column<unknown>[] = list.result.columns;
  const { globals, options: usual } = await parseLine(`${complete} list`, list, []);
  const shared = Object.entries(context.options).filter(([key]) => list.options[key] === verb.options[key]);
  const options = { ...usual, ...Object.fromEntries(shared) };
  const { filter: filters, sort, limit } = context.globals;
  const wish = { ...globals, columns: [], filters, sort, limit };
  const selection = selectionOf({ ...wish, header: true }, columns);
  const empty = selection.filters.find(({ wanted }) => wanted === "");
  if (empty !== undefined) {
    // A variable of a script that is not set: it would choose all that have no such thing.
    throw new EstratoError("usage", `${context.name}: --filter ${empty.column.key}=: it is empty`, {
      hint: `What has none there is chosen by --filter ${empty.column.key}=null.`,
    });
  }
  const id = columns.find(({ key }) => key === "id") ?? columns[0];
  const read = [...selection.filters, ...selection.sort].map(({ column }) => column);
  const keys = new Set([id, ...read].map((one) => one?.key.replace(/\..*/, "")));
  const args = Object.fromEntries(Object.entries(list.arguments).map(([key, spec]) => [key, spec.take([])]));
  const rows = await list.run({ ...context, args, options, wants: (key) => keys.has(key), name: `${complete} list` });
  const name = complete === "instance" ? columns.find(({ key }) => key === "name") : undefined;
  return selectRows(Array.isArray(rows) ? rows : [], selection).map((row) => {
    const found = String(id?.value(row) ?? "");
    if (name !== undefined) context.called.set(found, String(name.value(row)));
    return found;
  });
}
