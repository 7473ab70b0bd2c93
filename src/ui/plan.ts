/** The plan that `--dry-run` shows: numbered steps, each with the very commands, as a shell would take them. */

import { humanSize } from "../units.ts";
import type { Painter } from "./colour.ts";
import type { Json } from "./output/json.ts";
import { printable } from "./text.ts";

export interface Plan {
  readonly steps: readonly {
    readonly title: string;
    readonly commands: readonly { readonly program: string; readonly args: readonly string[] }[];
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

export function planText(plan: Plan, painter: Painter): string {
  const lines: string[] = [];
  for (const [index, { title, commands }] of plan.steps.entries()) {
    lines.push(`${index + 1}. ${painter("bold", printable(title))}`);
    for (const { program, args } of commands) {
      lines.push(`     ${printable([program, ...args].map(shellQuoted).join(" "))}`);
    }
  }
  for (const note of plan.notes) lines.push(`Note: ${printable(note)}`);
  if (plan.freesBytes !== null) lines.push(`Frees ${humanSize(plan.freesBytes)}.`);
  return lines.map((line) => `${line}\n`).join("");
}

export function planJson(plan: Plan): Json {
  return {
    steps: plan.steps.map(({ title, commands }) => ({
      title,
      commands: commands.map(({ program, args }) => ({ program, args: [...args] })),
    })),
    notes: [...plan.notes],
    frees_bytes: plan.freesBytes,
  };
}
