/** What is remembered goes: the state, and the journal. */
import { copyFileSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Dice } from "../dice.ts";
import type { Ground } from "../ground.ts";

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
