/** The dialogue of `volume create`: its name, and how large it is. */
import { requireName } from "../../core/names.ts";
import { parseSize } from "../../core/values.ts";
import type { Guide } from "../framework/tree.ts";

/** [] where the line says what it is made from, or how large it is. */
export async function guideVolume({ options, operands, ask }: Guide): Promise<string[]> {
  if ([options.size, options.fromSnapshot, options.fromImage].some((said) => said !== null)) return [];
  const name =
    operands.length > 0
      ? []
      : [await ask("What shall it be called?", { check: (text) => requireName("volume", text) })];
  const size = await ask("How large shall it be? (10G)", { check: (text) => parseSize(text, "--size") });
  return [...name, "--size", size];
}
