/** Where the store of whoever calls lies. */
import { homedir } from "node:os";
import { isAbsolute, join, resolve } from "node:path";

export interface Caller {
  /** --store */
  readonly flag?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
}

/**
 * The home folder of the store, absolute: --store, else ESTRATO_HOME, else /var/lib/estrato for root and
 * $XDG_DATA_HOME/estrato for others (XDG Base Directory Specification: one that is not absolute is ignored). Touches no
 * disk.
 */
export function resolveHome({ flag, env, uid }: Caller): string {
  const named = flag || env.ESTRATO_HOME;
  if (named) return resolve(named);
  return uid === 0 ? "/var/lib/estrato" : join(xdgFolder(env, "XDG_DATA_HOME", ".local/share"), "estrato");
}

/** A folder of the XDG Base Directory Specification, with its default below the user's home. */
export function xdgFolder(env: Caller["env"], variable: string, below: string): string {
  const named = env[variable];
  if (named !== undefined && isAbsolute(named)) return named;
  return join(env.HOME || homedir(), below);
}
