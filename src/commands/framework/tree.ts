/** The command tree as types: what a verb declares and is handed, its noun, and the catalogue of all. */
import type { StorePort, World } from "../../core/ports.ts";
import type { Factory, TargetRecord } from "../../factory.ts";
import type { Globals } from "../../globals.ts";
import type { Format } from "../../ui/output/options.ts";
import type { Streams } from "../../ui/streams.ts";
import type { ArgumentSpec, Completion } from "./arguments.ts";
import type { Candidate } from "./candidates.ts";
import type { OptionSpec } from "./options.ts";
import type { Outcome, ResultSpec } from "./result.ts";

// biome-ignore lint/suspicious/noExplicitAny: any verb's arguments, options and rows
export type Any = any;
export type Arguments = Readonly<Record<string, ArgumentSpec<Any>>>;
export type Options = Readonly<Record<string, OptionSpec<Any>>>;
export type ArgumentValues<A> = { readonly [K in keyof A]: A[K] extends ArgumentSpec<infer T> ? T : never };
export type OptionValues<O> = { readonly [K in keyof O]: O[K] extends OptionSpec<infer T> ? T : never };

/** What run() is handed. */
export interface Context<A = Any, O = Any> {
  args: ArgumentValues<A>;
  readonly options: OptionValues<O>;
  readonly globals: Globals;
  /** For core: opened by the first call. */
  readonly world: () => Promise<World>;
  /** For what needs no host. */
  readonly store: () => Promise<StorePort>;
  readonly streams: Streams;
  readonly factory: Factory;
  /** That the line, or the setting, asks for; null: neither does. */
  readonly format: Format | null;
  /** Nobody asked for a format, columns or a query. */
  readonly isPlain: boolean;
  /** Does --filter let this row of the result through? */
  readonly fits: (row: unknown) => boolean;
  /** Is this column printed, sorted or filtered by? What it costs to find out is spared where it is not. */
  readonly wants: (key: string) => boolean;
  /** What was said on the line, `flavor create`: for messages. */
  readonly name: string;
  /** All nouns and verbs: for help and completion. */
  readonly catalogue: Catalogue;
  /** Does a person look at the table, so that it may be drawn again and again? */
  readonly isWatched: boolean;
  /** Rows of the result as they would be printed. */
  readonly render: (rows: readonly unknown[]) => Promise<string>;
  /**
   * Says, and logs, how the work on one of several targets has ended, as soon as it has; eachTarget calls it. `of`:
   * what knows what was done to that one, where it is not the only one that is worked on.
   */
  readonly ended: (target: string, outcome: unknown, error: unknown, of?: TargetRecord) => Promise<void>;
  /** By the ids of instances that --filter has chosen, what people call them: so they are told and logged. */
  readonly called: Map<string, string>;
  /** Ids of what --filter has chosen, for a verb that `chooses`; null: the line names it. No argument is then. */
  chosen: readonly string[] | null;
  /** Set by eachTarget: thrown once the result is printed. */
  failure: Error | null;
}

export interface Example {
  readonly line: string;
  readonly says: string;
}

/** What a dialogue is handed. Each question throws "interrupted" where nobody answers. */
export interface Guide {
  /** What the line says. */
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly factory: Factory;
  /** What there is of a kind, or these. */
  candidates(kind: Completion): Promise<Candidate[]>;
  choose(question: string, choices: readonly Candidate[]): Promise<string>;
  /** `check` says what is wrong with an answer by throwing "usage". */
  ask(
    question: string,
    how?: { readonly fallback?: string; readonly check?: (text: string) => unknown },
  ): Promise<string>;
}

/** What a verb that changes something says of each thing at a terminal once it is done. */
export interface Done<A = Any, O = Any, Row = Any> {
  /** As it was named. */
  readonly target: string;
  /** What run() returned of it; null: nothing. */
  readonly row: Row | null;
  /** False where it was so already. */
  readonly changed: boolean;
  readonly args: ArgumentValues<A>;
  readonly options: OptionValues<O>;
  readonly world: () => Promise<World>;
}

/** A verb as the framework knows it. */
export interface Verb {
  readonly description: string;
  readonly arguments: Arguments;
  readonly options: Options;
  readonly result: ResultSpec<Any>;
  readonly changes: boolean;
  /** Of one that only looks: do these options make it change something? */
  readonly changesWith: (options: Any) => boolean;
  readonly examples: readonly Example[];
  readonly exits: Readonly<Record<number, string>>;
  readonly withoutStore: (options: Any) => boolean;
  readonly needsStore: (options: Any) => boolean;
  readonly withoutSettings: boolean;
  readonly raw: boolean;
  /** What --filter chooses where the line names nothing; null: as for any verb that takes several. */
  readonly chooses: "instance" | null;
  /** The dialogue about what the line leaves open; null: there is none. */
  readonly guide: ((guide: Guide) => Promise<string[]>) | null;
  /** One sentence; null: there is nothing to say. */
  readonly done: ((done: Done) => string | null | Promise<string | null>) | null;
  readonly run: (context: Context) => Promise<Outcome<Any>>;
}

/** A verb's own file, loaded when it is named. */
export type LoadVerb = () => Promise<{ readonly default: Verb }>;

export interface VerbEntry {
  /** One line, no full stop: "Make a volume". */
  readonly summary: string;
  readonly load: LoadVerb;
  /** Other words for it: `image deregister`. */
  readonly aliases?: readonly string[];
}

export interface Noun {
  /** Paragraphs for help and the manual, parted by an empty line. */
  readonly description: string;
  /** In the order of help. */
  readonly verbs: Readonly<Record<string, VerbEntry>>;
  /** `backup web1` is `backup create web1`. */
  readonly defaultVerb?: string;
}

/** What may stand first in a line. */
type CatalogueEntry =
  | { readonly summary: string; readonly noun: () => Promise<{ readonly default: Noun }> }
  | { readonly summary: string; readonly verb: LoadVerb; readonly hidden?: boolean };

/** All of it, in the order of help. */
export type Catalogue = Readonly<Record<string, CatalogueEntry>>;
