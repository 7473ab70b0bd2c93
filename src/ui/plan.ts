/** The plan that `--dry-run` shows: numbered steps, each with the very commands, as a shell would take them. */

import { humanSize } from "../units.ts";
import type { Painter } from "./colour.ts";
import type { Json } from "./output/json.ts";
import { AMOUNT, either, listOf, object, orNull, TEXT } from "./output/shape.ts";
import { printable, printableLines } from "./text.ts";

interface PlannedCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** It is run only where this is so. */
  readonly onlyIf?: string;
  /** What the file holds that its last argument names. */
  readonly reads?: string;
}

export interface Plan {
  readonly steps: readonly {
    readonly title: string;
    /** Whom it concerns, where the title does not say it. */
    readonly of?: string;
    readonly commands: readonly PlannedCommand[];
  }[];
  readonly notes: readonly string[];
  readonly freesBytes: number | null;
}

/** Does this result of a verb hold a plan instead of what the verb makes? */
export function isPlan(value: unknown): value is Plan {
  return typeof value === "object" && value !== null && "steps" in value && "freesBytes" in value;
}

/** One word of a command line, quoted for sh where it must be. */
export function shellQuoted(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/** As it would be typed. */
export function commandText({ program, args }: Pick<PlannedCommand, "program" | "args">): string {
  return [program, ...args].map(shellQuoted).join(" ");
}

/** `files`: with what the files hold that its commands read. */
export function planText(plan: Plan, painter: Painter, { files }: { readonly files: boolean }): string {
  const lines: string[] = [];
  for (const [index, { title, of, commands }] of plan.steps.entries()) {
    const whose = of === undefined ? "" : ` (${printable(of)})`;
    lines.push(`${index + 1}. ${painter("bold", printable(title))}${whose}`);
    for (const { program, args, onlyIf, reads } of commands) {
      const condition = onlyIf === undefined ? "" : `   # only if ${printable(onlyIf)}`;
      lines.push(`     ${printable(commandText({ program, args }))}${painter("dim", condition)}`);
      if (!files || reads === undefined) continue;
      lines.push(
        ...printableLines(reads.trimEnd())
          .split("\n")
          .map((line) => painter("dim", `     | ${line}`)),
      );
    }
  }
  for (const note of plan.notes) lines.push(`Note: ${printable(note)}`);
  if (plan.freesBytes !== null) lines.push(`Frees ${humanSize(plan.freesBytes)}.`);
  return lines.map((line) => `${line}\n`).join("");
}

const COMMAND = { program: TEXT, args: listOf(TEXT), only_if: orNull(TEXT) };

/** What `planSteps` makes. */
export const STEPS_SHAPE = listOf(
  object({
    title: TEXT,
    of: orNull(TEXT),
    commands: listOf(either<object>(object(COMMAND), object({ ...COMMAND, reads: TEXT }))),
  }),
);

/** What `planJson` makes. */
export const PLAN_SHAPE = object({
  steps: STEPS_SHAPE,
  notes: listOf(TEXT),
  frees_bytes: orNull(AMOUNT),
});

export function planJson(plan: Plan, { files }: { readonly files: boolean }): Json {
  return { steps: planSteps(plan, { files }), notes: [...plan.notes], frees_bytes: plan.freesBytes };
}

/** Its steps alone. */
export function planSteps({ steps }: Pick<Plan, "steps">, { files }: { readonly files: boolean }) {
  return steps.map(({ title, of, commands }) => ({
    title,
    of: of ?? null,
    commands: commands.map(({ program, args, onlyIf, reads }) => ({
      program,
      args: [...args],
      only_if: onlyIf ?? null,
      ...(files && reads !== undefined ? { reads } : {}),
    })),
  }));
}
