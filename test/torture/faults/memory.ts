/** What strikes: the ends of processes, of daemons, of space, and of what is remembered. */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { sure } from "../e2e/processes.ts";
import type { Dice } from "./dice.ts";
import { type Ending, type Ground, ROOM } from "./ground.ts";

/** The operations that a line runs, by its first words. */
const OPERATIONS: readonly [line: RegExp, operations: readonly string[]][] = [
  [/^instance create/, ["instance.create"]],
  [/^instance set .*--name/, ["instance.rename"]],
  [/^instance resize/, ["instance.resize"]],
  [/^instance (delete|release)/, ["instance.delete", "layer.merge"]],
  [/^shelve .*--offload/, ["instance.shelve", "instance.offload", "instance.offload"]],
  [/^shelve/, ["instance.shelve"]],
  [/^unshelve/, ["instance.unshelve"]],
  [/^snapshot create/, ["snapshot.create", "snapshot.create", "volume.take-in"]],
  [/^snapshot delete/, ["snapshot.delete", "layer.merge", "layer.merge"]],
  [/^snapshot (revert|unrevert)/, ["snapshot.revert", "snapshot.revert", "snapshot.revert-volume"]],
  [/^volume create/, ["volume.create"]],
  [/^volume attach/, ["volume.attach"]],
  [/^volume detach/, ["volume.detach"]],
  [/^volume resize/, ["volume.resize"]],
  [/^volume delete/, ["volume.delete", "layer.merge"]],
  [/^image create/, ["image.create"]],
  [/^image delete/, ["image.delete", "layer.merge"]],
  [/^image save/, ["image.save"]],
  [/^backup create/, ["backup.create", "backup.create", "backup.delete", "snapshot.create"]],
  [/^backup (delete|prune)/, ["backup.delete"]],
  [/^backup restore/, ["backup.restore", "instance.create", "volume.create", "snapshot.revert"]],
];

export type Strike =
  | { readonly name: "killed at a step" | "killed with its children" | "libvirtd killed"; readonly ending: Ending }
  | { readonly name: "libvirtd away" | "no space" | "target full" | "target read-only" };

/** How a line is struck; null: not at all. */
export function strike(dice: Dice, words: readonly string[], percent: number): Strike | null {
  if (!dice.chance(percent)) return null;
  const line = words.join(" ");
  const found = OPERATIONS.find(([pattern]) => pattern.test(line))?.[1];
  const roll = dice.below(100);
  if (roll < 50 && found !== undefined) {
    // The first steps are reached by every operation.
    const index = dice.chance(70) ? dice.below(3) : dice.below(9);
    const at = `${dice.pick(found)}:${index}:${dice.chance(50) ? "before" : "after"}`;
    return { name: "killed at a step", ending: { at } };
  }
  if (roll < 75) return { name: "killed with its children", ending: { afterMs: 150 + dice.below(900) } };
  if (roll < 82) return { name: "libvirtd killed", ending: { daemonAfterMs: 150 + dice.below(700) } };
  if (roll < 88) return { name: "libvirtd away" };
  if (roll < 94) return { name: "no space" };
  return dice.chance(50) ? { name: "target full" } : { name: "target read-only" };
}

/** What holds while a line runs; returns what ends it. */
export async function lay(name: Strike["name"], ground: Ground, dice: Dice): Promise<() => Promise<unknown>> {
  const [, target] = ground.targets;
  const remount = (how: string, folder: string) => sure("mount", "-o", `remount,${how}`, folder);
  switch (name) {
    case "libvirtd away":
      await ground.libvirtd("kill");
      return () => ground.libvirtd("start");
    case "no space":
    case "target full": {
      const folder = name === "no space" ? ground.folder : target;
      const used = Number((await sure("df", "--output=used", "-k", folder)).split("\n")[1]);
      await remount(`size=${used + 4 + dice.below(600)}k`, folder);
      return () => remount(`size=${ROOM}`, folder);
    }
    case "target read-only":
      await remount("ro", target);
      return () => remount("rw", target);
    default:
      return async () => undefined;
  }
}

const DAMAGES = ["truncated", "empty", "garbage", "gone", "older", "gone with all copies"] as const;
export type Damage = (typeof DAMAGES)[number];

export const pickDamage = (dice: Dice): Damage => dice.pick(DAMAGES) as Damage;

/** Keeps a copy of the state, for one that is older later. */
export function keepState(ground: Ground): void {
  copyFileSync(join(ground.home, "state.json"), join(ground.folder, "older.json"));
}

/** False: there was nothing to damage. */
export function damageState(ground: Ground, damage: Damage, dice: Dice): boolean {
  const file = join(ground.home, "state.json");
  const older = join(ground.folder, "older.json");
  switch (damage) {
    case "truncated":
      truncateSync(file, dice.below(readFileSync(file).length));
      return true;
    case "empty":
      truncateSync(file, 0);
      return true;
    case "garbage":
      writeFileSync(file, Buffer.from(Array.from({ length: 3000 }, () => dice.below(256))));
      return true;
    case "gone":
      rmSync(file);
      return true;
    case "older":
      if (!existsSync(older)) return false;
      copyFileSync(older, file);
      return true;
    case "gone with all copies":
      rmSync(file);
      rmSync(join(ground.home, "state"), { recursive: true, force: true });
      return true;
  }
}

/** Cuts each entry of the journal off somewhere. False: there is none. */
export function damageJournal(ground: Ground, dice: Dice): boolean {
  const folder = join(ground.home, "journal");
  const entries = readdirSync(folder).filter((name) => name.endsWith(".json"));
  for (const name of entries) {
    const file = join(folder, name);
    truncateSync(file, dice.below(readFileSync(file).length));
  }
  return entries.length > 0;
}
