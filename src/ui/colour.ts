/** Colour, where it is allowed; chalk is loaded only then. */

export type Paint = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
export type Painter = (paint: Paint, text: string) => string;
export type ColourWish = "auto" | "always" | "never";

export const plainPainter: Painter = (_paint, text) => text;

/**
 * May we colour what goes to this stream? `--color` over NO_COLOR (no-color.org: set and not empty) over what the
 * terminal can.
 */
export function colourAllowed(
  wish: ColourWish,
  isTerminal: boolean,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  if (wish !== "auto") return wish === "always";
  return isTerminal && !env.NO_COLOR && env.TERM !== "dumb";
}

/** A painter that paints, or one that leaves text as it is. */
export async function loadPainter(allowed: boolean): Promise<Painter> {
  if (!allowed) return plainPainter;
  const { Chalk } = await import("chalk");
  const chalk = new Chalk({ level: 1 });
  return (paint, text) => chalk[paint](text);
}
