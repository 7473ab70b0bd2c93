/** Targets that no word of the line names: a list at standard input (`-`), or all that --filter chooses. */
import { EstratoError } from "../../errors.ts";
import type { Column } from "../../ui/output/columns.ts";
import { selectionOf } from "../../ui/output/options.ts";
import { selectRows } from "../../ui/output/select.ts";
import type { ArgumentSpec } from "./arguments.ts";
import { readTextFile } from "./files.ts";
import { type Line, parseLine } from "./parse.ts";
import type { Context, Verb } from "./tree.ts";

/** Is --filter of this line, with --sort and --limit, a choice of what the verb is done to, not of rows it prints? */
export function isChoiceByFilter(verb: Verb, line: Line): boolean {
  if (line.globals.filter.length === 0) return false;
  return verb.chooses !== null || (line.operands.length === 0 && targetsOf(verb) !== null);
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
  const ids = await fitting({ complete: noun, label: noun }, context);
  if (ids.length > 0) return ids;
  throw new EstratoError("not_found", `${context.name}: no ${noun} fits ${context.globals.filter.join(" and ")}`, {
    hint: `See what there is: estrato ${noun} list.`,
  });
}

/** The argument that takes several things there are; null where none does, or it is not the first. */
function targetsOf(verb: Verb): ArgumentSpec<unknown> | null {
  const [first] = Object.values(verb.arguments);
  return first?.many === true && first.ask !== null && typeof first.complete === "string" ? first : null;
}

/**
 * The operands with what `-` and --filter stand for; null where they stand for nothing at all: then there is nothing to
 * do. Throws "usage" for a filter or an order that the list of these things does not have.
 */
export async function targetWords(verb: Verb, line: Line, context: Context): Promise<readonly string[] | null> {
  const spec = targetsOf(verb);
  if (spec === null) return line.operands;
  if (isChoiceByFilter(verb, line)) return orNothing(await fitting(spec, context));
  if (!line.operands.includes("-")) return line.operands;
  const text = await readTextFile("-", context.streams, context.factory.signal);
  // Of rows with several columns the first names it. Blanks may be a name's own: without them it would be another's.
  const named = text.split(/\r?\n/).flatMap((row) => (row.trim() === "" ? [] : (row.split("\t")[0] ?? [])));
  return orNothing(line.operands.flatMap((word) => (word === "-" ? named : [word])));
}

function orNothing(words: readonly string[]): readonly string[] | null {
  return words.length === 0 ? null : words;
}

/** The ids of what the noun's own list shows with these filters, this order and this limit. */
async function fitting(
  { complete, label }: Pick<ArgumentSpec<unknown>, "complete" | "label">,
  context: Context,
): Promise<string[]> {
  const entry = context.catalogue[String(complete)];
  const noun = entry !== undefined && "noun" in entry ? (await entry.noun()).default : undefined;
  if (noun?.verbs.list === undefined) {
    throw new EstratoError("usage", `${context.name}: --filter cannot choose ${label}`, { hint: "Name each of them." });
  }
  const list = (await noun.verbs.list.load()).default;
  const columns: readonly Column<unknown>[] = list.result.columns;
  const { globals, options } = await parseLine(`${complete} list`, list, []);
  const { filter: filters, sort, limit } = context.globals;
  const wish = { ...globals, columns: [], filters, sort, limit };
  const selection = selectionOf({ ...wish, header: true }, columns);
  const id = columns.find(({ key }) => key === "id") ?? columns[0];
  const read = [...selection.filters, ...selection.sort].map(({ column }) => column);
  const keys = new Set([id, ...read].map((one) => one?.key.replace(/\..*/, "")));
  const args = Object.fromEntries(Object.entries(list.arguments).map(([key, spec]) => [key, spec.take([])]));
  const rows = await list.run({ ...context, args, options, wants: (key) => keys.has(key), name: `${complete} list` });
  return selectRows(Array.isArray(rows) ? rows : [], selection).map((row) => String(id?.value(row) ?? ""));
}
