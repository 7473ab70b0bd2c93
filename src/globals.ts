/**
 * What the options that every command takes hold, in a form that whoever needs them can know: the factory and the
 * reporter too.
 */
import type { ColourWish } from "./ui/colour.ts";
import type { Format } from "./ui/output/options.ts";

/** What was said on the line; `commands/framework/globals.ts` declares each. Null: nobody said. */
export interface Globals {
  readonly format: Format | null;
  readonly column: readonly string[];
  readonly sort: string | null;
  readonly filter: readonly string[];
  readonly limit: number | null;
  readonly query: string | null;
  readonly noHeader: boolean;
  readonly wide: boolean;
  readonly yes: boolean;
  readonly noInput: boolean;
  readonly dryRun: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly progress: "auto" | "json" | "none";
  readonly trace: boolean;
  readonly color: ColourWish | null;
  readonly lockTimeout: number; // milliseconds; 0: not at all
  readonly store: string | null;
  readonly connect: string | null;
}
