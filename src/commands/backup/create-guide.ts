/** What `backup create` and `schedule create` want to know of a backup: where it goes, and how many are kept. */
import { parseCount } from "../../core/values.ts";
import { settingOf } from "../framework/defaults.ts";
import type { Guide } from "../framework/tree.ts";
import { policyOptions } from "./policy.ts";

const USUAL_ROTATION = "7";

/** The dialogue of `backup create`: [] where the line says all that is wanted to be known. */
export async function guideBackup(guide: Guide): Promise<string[]> {
  const { operands, options, factory } = guide;
  const isSaid = operands.length > 0 || factory.globals.filter.length > 0;
  const instances = isSaid ? [] : await guide.candidates("instance");
  if (!isSaid && instances.length === 0) return [];
  const who = isSaid ? [] : [await guide.choose("Backup of which instance?", instances)];
  const keeps = await askRotation(guide);
  const place = await askTarget(guide);
  const how =
    options.incremental === true || keeps.length === 0
      ? "full"
      : await guide.choose("What is copied?", [
          { value: "incremental", description: "what has changed since the newest one" },
          { value: "full", description: "all of it" },
        ]);
  return [...who, ...(how === "incremental" ? ["--incremental"] : []), ...keeps, ...place];
}

/** `--rotation N`, where nothing says what is kept. */
export async function askRotation({ options, factory, ask }: Guide): Promise<string[]> {
  if (Object.keys(policyOptions).some((key) => options[key] !== null)) return [];
  if ((await settingOf(factory, "rotation")) !== null) return [];
  const check = (text: string) => parseCount(text, "--rotation", 1);
  return ["--rotation", await ask("How many are kept?", { fallback: USUAL_ROTATION, check })];
}

/** `--target DIR`, where neither the line nor a setting says it. */
export async function askTarget({ options, factory, ask }: Guide): Promise<string[]> {
  if (options.target !== null || (await settingOf(factory, "backup_target")) !== null) return [];
  return ["--target", await ask("Into which folder? It should be on another disk")];
}
