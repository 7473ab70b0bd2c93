import type { EventView } from "../../core/events.ts";
import type { StorePort } from "../../core/ports.ts";
import { parseDuration, parseTime } from "../../core/values.ts";
import { EstratoError } from "../../errors.ts";
import type { Globals } from "../../globals.ts";
import { number, span, text, time } from "../../ui/output/columns.ts";
import { optional } from "../framework/arguments.ts";
import { flag, text as words } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";

const columns = [
  time<EventView>("time", (event) => event.time, { rank: 2 }),
  text<EventView>("operation", (event) => event.operation, { rank: 0 }),
  text<EventView>("target", (event) => event.target, { rank: 1, orNull: true }),
  text<EventView>("result", (event) => event.result, { rank: 1 }),
  text<EventView>("user", (event) => event.user),
  text<EventView>("command", (event) => event.command, { rank: 5 }),
  span<EventView>("duration_ms", (event) => event.duration_ms ?? null, { header: "Took", rank: 3, orNull: true }),
  number<EventView>("merges", (event) => event.merges, { listed: false }),
  text<EventView>("message", (event) => event.message ?? null, { listed: false, orNull: true }),
];

export default verb({
  description:
    "Lists what was done on this host, the latest first, and what was refused. It is a log for people: some 10 MB back the oldest are dropped. `result` is " +
    "done, or the code of the error, and `message` what that said.\n\n" +
    "Merges of layers count for what left them to be done (`merges`); --all lists each. --follow goes on until Ctrl-C, a line each; with " +
    "-f json an object each.",
  arguments: {
    target: optional("TARGET", "only what was done to this, or to what is of it", { complete: "instance" }),
  },
  options: {
    since: words("AGE|TIME", "only what is younger than so long (2d), or than a time"),
    all: flag("merges too"),
    follow: flag("go on with what comes"),
  },
  result: result.list(columns, { empty: "Nothing was done here yet." }),
  changes: false,
  examples: [
    { line: "estrato event list --limit 20", says: "the last twenty" },
    { line: "estrato event list web1 --since 2d", says: "what became of web1 since the day before yesterday" },
    { line: "estrato event list --filter operation=snapshot.create -f json", says: "all snapshots that were made" },
  ],
  exits: { 2: "a malformed age or time" },
  async run(context) {
    const { args, options, store, factory, globals, streams, fits } = context;
    if (options.follow) requireLines(globals);
    const { eventViews } = await import("../../core/events.ts");
    const opened = await store();
    const filter = {
      targets: await namesOf(opened, args.target),
      since: sinceOf(options.since, factory.clock.now()),
      all: options.all,
    };
    const log = opened.events;
    const found = eventViews(await log.list(), filter);
    if (!options.follow) return found.reverse();
    const { following } = await import("./follow.ts");
    const { clock, signal } = factory;
    const next = async () => eventViews(await log.list(), filter);
    const fitting = found.filter(fits);
    const shown = fitting.slice(fitting.length - Math.min(fitting.length, globals.limit ?? fitting.length));
    const follower = { clock, signal, stdout: streams.stdout, isJson: context.format === "json", fits };
    await following(follower, found, shown, next);
    return null;
  },
});

/** An instance is logged as it was named on the line, by its id or its name: both are looked for. */
async function namesOf(store: StorePort, target: string | null): Promise<string[] | null> {
  if (target === null) return null;
  // The log can be read where the state cannot.
  const { instances = {} } = (await store.read().catch(() => null)) ?? {};
  const meant = Object.values(instances).filter(({ id, name }) => id === target || name === target);
  return [target, ...meant.flatMap(({ id, name }) => [id, name])];
}

/** Throws "usage" for what --follow does not do: it writes what comes as it comes. */
function requireLines({ format, column, query, sort }: Globals): void {
  const given = {
    [`--format ${format}`]: format !== null && format !== "json" && format !== "table",
    "--column": column.length > 0,
    "--query": query !== null,
    "--sort": sort !== null,
  };
  const odd = Object.entries(given).find(([, is]) => is)?.[0];
  if (odd === undefined) return;
  throw new EstratoError("usage", `event list: --follow and ${odd}: it writes a line each, or with -f json an object`, {
    hint: "Leave one of them out.",
  });
}

function sinceOf(given: string | null, now: Date): Date | null {
  if (given === null) return null;
  if (/^\d+[a-z]$/.test(given)) return new Date(now.getTime() - parseDuration(given, "--since"));
  return parseTime(given, "--since");
}
