/** How a line of a table is run, and what an error looks like. */
import { expect } from "vitest";
import { commandLine } from "../../../src/program.ts";
import { EXIT_CODES } from "../../../src/ui/errors.ts";
import type { Bed } from "../core/world.ts";
import { estate, run } from "./estate.ts";
import type { Well } from "./verb-lines.ts";

/** What a moving terminal shows while it works, and wipes again. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are how a line is wiped
export const PROGRESS = /\r\u001b\[K(?:[^\n\r]*…[^\n\r]*(?=\r))?/g;

/** One line of an error: WHAT: WHY. WHAT TO DO, or what may have been meant. */
export const ONE_LINE = /^estrato: [^\n]+[.?]\n$/;
/** An option of every command may stand first, where no `--` can end the options before it. */
export const withOptions = (options: string, line: string) => `${options} ${line}`;

/** A copy of the estate, with what is to be so before the line. */
export async function prepared({ before }: Pick<Well, "before">): Promise<Bed> {
  const on = await estate();
  if (typeof before === "string") expect(await run(on, before), before).toMatchObject({ exit: 0 });
  else await before?.(on);
  return on;
}

/**
 * The object that -f json prints for an error of this exit code; `line` is what was typed behind the program's name.
 */
export function errorOf(exit: number, line: string): unknown {
  const code = Object.entries(EXIT_CODES).find(([, number]) => number === exit)?.[0];
  const hint = expect.toSatisfy((text) => text === null || typeof text === "string");
  return { code, message: expect.stringMatching(/^[^\n]+$/), hint, command: commandLine(line.split(" ")), exit };
}
