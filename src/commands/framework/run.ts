/** One run of a verb: parse, check what is asked of the output, ask for what is missing, run, print. */
import { EstratoError } from "../../errors.ts";
import { createFactory, type Factory, type Surroundings } from "../../factory.ts";
import type { Globals } from "../../globals.ts";
import { FORMATS, type Format, type OutputWish, selectionOf } from "../../ui/output/options.ts";
import { compileQuery } from "../../ui/output/query.ts";
import { columnsOf, type Page, renderRows, renderValue } from "../../ui/output/render.ts";
import { selectRows } from "../../ui/output/select.ts";
import { isPlan, type Plan, planJson, planText, shellQuoted } from "../../ui/plan.ts";
import { isChanged } from "./changed.ts";
import { eventLog } from "./logged.ts";
import { chosenArguments, lacking, takeArguments } from "./missing.ts";
import { type Line, parseLine, requireOptions } from "./parse.ts";
import type { Drawing } from "./result.ts";
import { chosenByFilter, isChoiceByFilter, isNamedByList, requireUseOfChoice, targetWords } from "./target-words.ts";
import { teller } from "./told.ts";
import type { Catalogue, Context, Verb } from "./tree.ts";

/** Of the JSON that verbs print: raised where a key means something else than before, not where one is added. */
export const SCHEMA_VERSION = 1;

/** Throws what the verb throws; where only some of its targets failed, after their result is printed. */
export async function runVerb(
  name: string,
  verb: Verb,
  words: readonly string[],
  command: string,
  surroundings: Surroundings,
  catalogue: Catalogue,
): Promise<void> {
  const line: Line = verb.raw
    ? { ...(await parseLine(name, verb, [])), operands: words }
    : await parseLine(name, verb, words);
  const changes = mayChange(verb, line);
  surroundings.willChange?.(changes && !line.globals.dryRun);
  const factory = createFactory(surroundings, {
    globals: line.globals,
    command,
    withoutSettings: verb.withoutSettings,
    changes,
    withoutStore: verb.withoutStore(line.options),
    needsStore: verb.needsStore(line.options),
  });
  let whole: readonly string[] | null = null;
  try {
    if (line.missing.length > 0 || verb.guide !== null || lacking(verb, line.operands, line.options).length > 0) {
      whole = await (await import("./guide.ts")).guidedWords(name, verb, line, words, factory);
    }
    if (whole === null) {
      requireOptions(name, verb, line);
      await runParsed(name, verb, line, factory, catalogue);
    }
  } finally {
    factory.close();
  }
  if (whole === null) return;
  const same = ["estrato", ...name.split(" "), ...whole].map(shellQuoted).join(" ");
  factory.report.note(`The same without questions: ${same}`);
  await runVerb(name, verb, whole, same, surroundings, catalogue);
}

function mayChange(verb: Verb, { options }: Line): boolean {
  return verb.changes || verb.changesWith(options);
}

async function runParsed(name: string, verb: Verb, line: Line, factory: Factory, catalogue: Catalogue): Promise<void> {
  requireUseOfChoice(name, verb, line, mayChange(verb, line));
  const asked = await outputWish(line.globals, factory, verb.withoutSettings);
  // It is needed when the result is printed: what is wrong with it is told before anything is done.
  if (!verb.withoutSettings) (await factory.settings()).get("color");
  const wish = isChoiceByFilter(verb, line) ? { ...asked, filters: [], sort: null, limit: null } : asked;
  const selection = selectionOf(wish, verb.result.columns);
  const query = wish.query === null ? null : await compileQuery(wish.query);
  let changed = false;
  const page = async (): Promise<Page> => ({
    wish,
    query,
    isTerminal: factory.terminal.stdout,
    columns: factory.terminal.columns,
    nowMs: factory.clock.now().getTime(),
    painter: await factory.painter("stdout"),
    ...(verb.changes ? { more: (row) => ({ changed: isChanged(row, changed), schema_version: SCHEMA_VERSION }) } : {}),
  });
  const context: Context = {
    args: {},
    options: line.options,
    globals: line.globals,
    world: factory.world,
    store: factory.store,
    streams: factory.streams,
    factory,
    format: wish.format,
    fits: (row) => selectRows([row], { ...selection, sort: [], limit: null }).length > 0,
    isPlain: isPlain(wish),
    wants: wanting(verb, wish, selection, isSilent(verb, line.globals) && verb.result.evenQuiet === null),
    name,
    catalogue,
    isWatched: factory.terminal.stdout && wish.query === null && (wish.format ?? "table") === "table",
    render: async (rows) => printed(verb, rows, wish, selection, page, line.globals.verbose),
    async ended(target, outcome, error, of) {
      isEnded = true;
      const name = context.called.get(target) ?? target;
      if (factory.takeDeclined()) return factory.report.note(`${name} is left as it is.`);
      await log.ended(name, error, of);
      if (error === null) await told.done(name, outcome);
    },
    called: new Map(),
    chosen: null,
    failure: null,
  };
  context.chosen = await chosenByFilter(verb, line, context);
  const operands = context.chosen ?? (await targetWords(verb, line, context));
  if (operands === null) {
    const none = await printed(verb, [], wish, selection, page, line.globals.verbose);
    if (!isSilent(verb, line.globals)) factory.streams.stdout.write(none);
    return factory.report.note("Nothing is meant: there is nothing to do.");
  }
  context.args =
    context.chosen === null ? takeArguments(name, verb, operands, line.options) : chosenArguments(verb, context.chosen);
  const told = teller(verb, context, context.isPlain);
  const log = eventLog(name, verb, context);
  let isEnded = false;
  const [one] = Object.values(context.args).flat();
  const first = context.called.get(String(one)) ?? String(one ?? "");
  let outcome: unknown;
  let isDeclined = false; // which is no failure
  try {
    outcome = await verb.run(context);
    // What a list names is one, also where that is a single thing: a script cannot know how many there are.
    if (isNamedByList(verb, line) && !Array.isArray(outcome)) outcome = isNothing(outcome) ? [] : [outcome];
    isDeclined = factory.takeDeclined() && isNothing(outcome);
    if (!isEnded && !isDeclined) await log.ended(first, null);
    factory.status.end();
    changed = factory.takeChanged();
  } catch (error) {
    if (!isEnded) await log.ended(first, error);
    throw error;
  } finally {
    factory.status.clear();
  }
  const text = await printed(verb, outcome, wish, selection, page, line.globals.verbose).catch((error) => {
    // A query that does not go with the result: what the exit code of a malformed line means is not so.
    if (!verb.changes || line.globals.dryRun || !(error instanceof EstratoError)) throw error;
    const hint = `It is done all the same; only its result is not printed. ${error.hint ?? ""}`.trim();
    throw new EstratoError("failed", error.message, { hint, cause: error });
  });
  if (text !== "" && !isSilent(verb, line.globals, outcome)) factory.streams.stdout.write(text);
  if (isDeclined) factory.report.note("Nothing has changed.");
  else await told.rest(outcome, text === "");
  if (context.failure !== null) throw context.failure;
}

/** -q leaves out what a change made, but not what it would do. */
function isSilent(verb: Verb, globals: Globals, outcome?: unknown): boolean {
  if (!globals.quiet || !verb.changes || globals.dryRun) return false;
  return ![outcome].flat().some((row) => row != null && verb.result.evenQuiet?.(row as never) === true);
}

/** Nobody asked for a format, columns or a query. */
function isPlain(wish: OutputWish): boolean {
  return wish.format === null && wish.query === null && wish.columns.length === 0;
}

/** Which columns anything is made of. A verb that draws its result by itself may use them all. */
function wanting(
  verb: Verb,
  wish: OutputWish,
  selection: ReturnType<typeof selectionOf>,
  silent: boolean,
): (key: string) => boolean {
  const { shape, columns, onRequest, draw } = verb.result;
  if (silent || (onRequest && isPlain(wish))) return () => false;
  if (draw !== null) return () => true;
  const chosen = [
    ...columnsOf(shape === "list", columns, selection, { wish }),
    ...[...selection.sort, ...selection.filters].map(({ column }) => column),
  ];
  const keys = new Set(chosen.map(({ key }) => key.replace(/\..*/, ""))); // `properties.k` is of `properties`
  return (key) => keys.has(key);
}

function isNothing(outcome: unknown): boolean {
  return outcome === null || outcome === undefined || (Array.isArray(outcome) && outcome.every(isNothing));
}

async function printed(
  verb: Verb,
  outcome: unknown,
  wish: OutputWish,
  selection: ReturnType<typeof selectionOf>,
  page: () => Promise<Page>,
  files: boolean,
): Promise<string> {
  const { shape, columns, onRequest, draw } = verb.result;
  const several = Array.isArray(outcome);
  const rows = (several ? outcome : [outcome]).filter((row) => row !== null && row !== undefined);
  if (rows.length > 0 && rows.every(isPlan)) return plans(rows, several, await page(), files);
  if (shape === "nothing" || (rows.length === 0 && !several)) return "";
  if (onRequest && isPlain(wish)) return "";
  const isShaped = wish.query !== null || wish.columns.length > 0 || (wish.format ?? "table") !== "table";
  // Rows of a list can be chosen, and cut up by a pipe.
  const chosen = wish.sort !== null || wish.filters.length > 0 || wish.limit !== null || !(await page()).isTerminal;
  const drawn = !isShaped && !(shape === "list" && chosen);
  const own = drawn && draw !== null ? await draw(rows, drawingOn(await page())) : null;
  if (own !== null) return own;
  return renderRows(rows, shape === "list" ? "list" : several ? "each" : "one", columns, selection, await page());
}

function drawingOn({ painter, nowMs, columns, isTerminal }: Page): Drawing {
  return { painter, columns, nowMs: isTerminal ? nowMs : undefined };
}

/** `files`: with what the files hold that commands read. */
async function plans(rows: readonly Plan[], several: boolean, page: Page, files: boolean): Promise<string> {
  const { wish, query } = page;
  if (query === null && (wish.format ?? "table") === "table") {
    return rows.map((plan) => planText(plan, page.painter, { files })).join("\n");
  }
  const all = rows.map((plan) => planJson(plan, { files }));
  const value = several ? all : (all[0] ?? null);
  return renderValue(query === null ? value : query(value), page);
}

/** Flag over environment over settings. A format that nobody named stays null. */
async function outputWish(globals: Globals, factory: Factory, withoutSettings: boolean): Promise<OutputWish> {
  return {
    format: globals.format ?? (await formatFromSettings(factory, withoutSettings)),
    columns: globals.column,
    sort: globals.sort,
    filters: globals.filter,
    limit: globals.limit,
    query: globals.query,
    header: !globals.noHeader,
    wide: globals.wide,
  };
}

async function formatFromSettings(factory: Factory, withoutSettings: boolean): Promise<Format | null> {
  try {
    const { value, origin } = (await factory.settings()).get("format");
    return origin === "default" ? null : (FORMATS.find((format) => format === value) ?? null);
  } catch (error) {
    if (withoutSettings && error instanceof EstratoError) return null;
    throw error;
  }
}
