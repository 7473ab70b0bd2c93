/**
 * What root is told behind sudo(8), where the environment of whoever called it leads away from root's own. sudo drops
 * it by default; `sudo -E`, `env_keep` and `sudo ESTRATO_HOME=DIR estrato` look alike from here, so that what is set is
 * kept, and said.
 */
import type { Setting } from "./store/settings.ts";

/** Settings that say where something lies or goes. */
const LEADS: readonly string[] = ["connect", "backup_target", "image_stores"];

/** Root, called by somebody else through sudo. */
export function isBehindSudo(env: Readonly<Record<string, string | undefined>>, uid: number): boolean {
  return uid === 0 && Boolean(env.SUDO_UID) && env.SUDO_UID !== "0";
}

/** Null: the store is the one that root has anyway. */
export function storeNote(home: string, usual: string): string | null {
  return home === usual ? null : `behind sudo: ESTRATO_HOME leads to the store ${home}, not to root's own, ${usual}`;
}

/** Null: it leads nowhere, or is root's own. `ownHome`: root's home folder. */
export function settingNote({ key, value, origin, source }: Setting, ownHome: string): string | null {
  if (!LEADS.includes(key) || value === null || source === null) return null;
  if (origin === "environment") return `behind sudo: ${source} leads to ${value} (${key})`;
  if (origin !== "user" || source.startsWith(`${ownHome}/`)) return null;
  return `behind sudo: ${source}, which is not root's own, leads to ${value} (${key})`;
}
