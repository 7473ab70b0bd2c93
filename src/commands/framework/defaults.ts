/** What settings say where a line does not. */
import type { Factory } from "../../factory.ts";

export const QUIESCE = ["try", "require", "off"] as const;
export type Quiesce = (typeof QUIESCE)[number];

/** The setting's value; null where it has none. */
export async function settingOf(factory: Factory, key: string): Promise<string | null> {
  return (await factory.settings()).get(key).value;
}

/** As the line says, else the setting. With its memory nothing of a guest needs to be quiesced. */
export async function quiesceOf(factory: Factory, given: Quiesce | null, withMemory = false): Promise<Quiesce> {
  if (given !== null) return given;
  const set = withMemory ? null : await settingOf(factory, "quiesce");
  return QUIESCE.find((word) => word === set) ?? "try";
}
