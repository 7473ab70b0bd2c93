/** Looks at what is there: the state, and what lies in the targets. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { State } from "../../src/core/model/state.ts";
import type { Said } from "./effect.ts";
import type { Ground } from "./ground.ts";

/** What was seen after a step. */
export interface Seen {
  readonly state: State;
  /** Of the targets that are there. */
  readonly backups: ReadonlyMap<
    string,
    { readonly target: string; readonly name: string | null; readonly of: string; readonly isProtected: boolean }
  >;
  /** The user's own. */
  readonly settings: Said;
}

/** Who has made nothing has none. */
export const hasStore = ({ home }: Ground): boolean => existsSync(join(home, "state.json"));

export const NOTHING = { layers: {}, volumes: {}, instances: {}, snapshots: {}, images: {} } as unknown as State;

export function look(ground: Ground): Seen {
  const state = hasStore(ground)
    ? (JSON.parse(readFileSync(join(ground.home, "state.json"), "utf8")) as State)
    : NOTHING;
  const backups = new Map<string, { target: string; name: string | null; of: string; isProtected: boolean }>();
  for (const target of ground.targets) {
    if (!existsSync(target)) continue;
    for (const id of readdirSync(target).filter((name) => /^bak-[0-9a-f]{17}$/.test(name))) {
      const file = join(target, id, "manifest.json");
      if (!existsSync(file)) continue;
      const { manifest } = JSON.parse(readFileSync(file, "utf8")) as {
        manifest: { name: string | null; instance: { id: string }; protected: boolean };
      };
      backups.set(id, {
        target,
        name: manifest.name,
        of: manifest.instance.id,
        isProtected: manifest.protected,
      });
    }
  }
  return { state, backups, settings: settingsOf(ground) };
}

function settingsOf({ config }: Ground): Seen["settings"] {
  const file = join(config, "estrato/config.json");
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Seen["settings"]) : {};
}
