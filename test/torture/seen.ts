/** Looks at what is there: the state, and what lies in the targets. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { State } from "../../src/core/model/state.ts";
import type { Ground } from "./ground.ts";
import type { Seen } from "./model.ts";

export function look(ground: Ground): Seen {
  const state = JSON.parse(readFileSync(join(ground.home, "state.json"), "utf8")) as State;
  const backups = new Map<string, { target: string; name: string | null; of: string }>();
  for (const target of ground.targets) {
    if (!existsSync(target)) continue;
    for (const id of readdirSync(target).filter((name) => /^bak-[0-9a-f]{17}$/.test(name))) {
      const file = join(target, id, "manifest.json");
      if (!existsSync(file)) continue;
      const { manifest } = JSON.parse(readFileSync(file, "utf8")) as {
        manifest: { name: string | null; instance: { id: string } };
      };
      backups.set(id, { target, name: manifest.name, of: manifest.instance.id });
    }
  }
  return { state, backups };
}
