/**
 * How to write a verb.
 *
 * 1. One file `src/commands/NOUN/VERB.ts`. It declares what the line may hold and what is printed, and calls one
 *    function of core:
 *
 *      import { resizeVolume } from "../../core/volumes/resize.ts";
 *      import { one } from "../framework/arguments.ts";
 *      import { flag, size } from "../framework/options.ts";
 *      import * as result from "../framework/result.ts";
 *      import { verb } from "../framework/verb.ts";
 *      import { volumeColumns } from "./columns.ts";
 *
 *      export default verb({
 *        description: "Grows a volume. Its guest sees the new size at once where it runs.",
 *        arguments: { volume: one("VOLUME", "the volume to grow", { complete: "volume", ask: "Which volume?" }) },
 *        options: { size: size("the new size", { required: true }), noWait: flag("return at once") },
 *        result: result.one(volumeColumns),
 *        changes: true,
 *        examples: [{ line: "estrato volume resize data1 --size 20G", says: "grow data1 to 20 GiB" }],
 *        exits: { 5: "the new size is smaller" },
 *        async run({ args, options, world }) {
 *          return resizeVolume(await world(), args.volume, options.size); // typed: string, number
 *        },
 *      });
 *
 *    The key of an option is its name (`keyName` is `--key-name`). What was not given is null, a flag false, a repeated
 *    option []. An argument that is missing is asked for at a terminal (a list to choose from where `complete` names a
 *    kind), else exit 2. Malformed values, unknown columns and bad queries have failed (exit 2) before run() is called.
 * 2. `run` returns what was declared: rows (`result.list`), one thing or several (`result.one`), a plan where
 *    world.dryRun is set, or null. It is printed in the format that was asked for; nothing else may write to stdout,
 *    but for `result.nothing` with streams.stdout. Types of what is remembered come from src/core/model: commands may
 *    not import the store or the host.
 * 3. Columns are shared by the verbs of a noun: `columns.ts` beside them, from the builders in
 *    `src/ui/output/columns.ts`. Their keys are the keys of the JSON object; those with `listed: false` are not in the
 *    table of a list. Each says what its value looks like (`src/ui/output/shape.ts`): `npm run schemas` after a change.
 * 4. Several targets: `many("INSTANCE", …)` and
 *    `return eachTarget(context, args.instances, { kind: "instance", verb: "stop" }, (target) => …)` from `targets.ts`.
 *    It tries all, reports each failure, and gives the exit code of CLI.md. `eachSideBySide` does it side by side, each
 *    in the world that it hands out.
 *    A verb that changes something also declares `done`: what is said of each at a terminal, `Resized data1 to 20 GiB.`
 *    A list declares `empty`: how its first thing is made.
 * 5. Errors: throw EstratoError; never print them, never exit. Notes: `world.report.note`. Questions: core's
 *    `world.report.confirm`.
 * 6. List it in `src/commands/NOUN/index.ts`:
 *    `create: { summary: "Make a volume", load: () => import("./create.ts") }`. A verb without a noun is one line in
 *    `src/program.ts`.
 * 7. Test it through `runLine(["volume", "list"], …)` of test/unit/commands/line.ts, with a fake store and host.
 *
 * A list must start fast: import at the top only what every run of the verb needs, the rest with `await import()`
 * inside run().
 */

import { ifAbsent } from "./if-absent.ts";
import { nothing, type Outcome, type ResultSpec } from "./result.ts";
import type { Any, Arguments, Context, Done, Example, Guide, Options, OptionValues, Verb } from "./tree.ts";

interface VerbDefinition<A extends Arguments, O extends Options, Row> {
  /** Paragraphs, parted by an empty line. The one-line summary stands in the noun's index. */
  readonly description: string;
  readonly arguments?: A;
  readonly options?: O;
  /** `nothing` where it is left out. */
  readonly result?: ResultSpec<Row>;
  /** Does it change anything? With -q such a verb prints nothing. */
  readonly changes: boolean;
  /** True where these options make one change something that else only looks: who ends it gives it time to undo it. */
  readonly changesWith?: (options: OptionValues<O>) => boolean;
  readonly examples: readonly Example[];
  /** What an exit code means here, for the manual; the general meaning of the others is there anyway. */
  readonly exits?: Readonly<Record<number, string>>;
  /**
   * True for verbs that begin without a store: those that make things make it, and a few need none. All others are
   * refused where there is none (6), but where a person at a terminal only looks: nothing is there then, and a note
   * says so.
   */
  readonly withoutStore?: boolean | ((options: OptionValues<O>) => boolean);
  /** True where that would mislead, too: of what changes nothing but in passing, and of what says that all is well. */
  readonly needsStore?: boolean | ((options: OptionValues<O>) => boolean);
  /** True for verbs that must run even where the settings are damaged. */
  readonly withoutSettings?: boolean;
  /**
   * The noun of which --filter chooses what this is done to, in the place of all arguments: `context.chosen`, and the
   * first argument where that takes several. Something must fit (4), and nothing be named besides (2).
   */
  readonly chooses?: "instance";
  /** Gets the words as they are, options and all; only for the hidden verb that completes them. */
  readonly raw?: boolean;
  /**
   * A dialogue at a terminal about what the line leaves open: returns the words that say it, [] where nothing is. What
   * they are is printed, and the line run with them.
   */
  readonly guide?: (guide: Guide) => Promise<string[]>;
  /**
   * Of a verb that makes a thing: the one of that name that is there, as a row; null where there is none. Such a verb
   * has --if-absent.
   */
  readonly existing?: (context: Context<A, O>) => Promise<Any | null>;
  readonly run: (context: Context<A, O>) => Promise<Outcome<NoInfer<Row>>>;
  /**
   * Of a verb that changes something: the sentence that a person reads when it is done, `Stopped web1.`, for each
   * target. Null where there is nothing to say that its result does not show.
   */
  readonly done?: (done: Done<A, O, NoInfer<Row>>) => string | null | Promise<string | null>;
}

/** Declares a verb; its arguments and options are typed from their declarations. */
export function verb<
  const A extends Arguments = Record<never, never>,
  const O extends Options = Record<never, never>,
  Row = never,
>(definition: VerbDefinition<A, O, Row>): Verb {
  return {
    arguments: {},
    result: nothing as ResultSpec<Any>,
    exits: {},
    withoutSettings: false,
    raw: false,
    chooses: null,
    guide: null,
    done: null,
    ...(definition as Omit<typeof definition, "done"> & { done?: Verb["done"] }),
    options: { ...definition.options, ...(definition.existing === undefined ? {} : { ifAbsent }) },
    changesWith: asFunction(definition.changesWith),
    withoutStore: asFunction(definition.withoutStore),
    needsStore: asFunction(definition.needsStore),
    async run(context: Context) {
      const there = context.options.ifAbsent === true ? await definition.existing?.(context as Context<A, O>) : null;
      if (there == null) return (await definition.run(context as Context<A, O>)) ?? null;
      return unchangedAnswer(context, there);
    },
  };
}

/** In a dry run an empty plan: nothing would be done. */
function unchangedAnswer({ globals, factory }: Context, there: Any): Outcome<Any> {
  const why = "It is there already, and left as it is.";
  if (globals.dryRun) return { steps: [], notes: [why], freesBytes: null };
  factory.report.note(why);
  return there;
}

function asFunction(said: boolean | ((options: Any) => boolean) = false): (options: Any) => boolean {
  return typeof said === "function" ? said : () => said;
}
