/** Who may read a file, by POSIX ACL (acl(5)), and which folder keeps a user from getting there. */
import { chmod, open, stat } from "node:fs/promises";
import { dirname } from "node:path";
import type { Action } from "../core/model/action.ts";
import type { Command, HostUser } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { removeFile, setMode, syncPath } from "./files.ts";
import type { Processes } from "./process.ts";
import { failure } from "./process-failure.ts";

type SetAccess = Extract<Action, { do: "set-access" }>;

/**
 * The commands of "set-access". The mode's middle digit is the ACL's mask: chmod(1) on such a file would change what
 * its readers may.
 */
export function accessCommands({ path, mode, readers }: SetAccess): Command[] {
  if (readers.length === 0) {
    return [
      { program: "setfacl", args: ["-b", "--", path] },
      { program: "chmod", args: [mode.toString(8), path] },
    ];
  }
  const named = readers.map((uid) => `u:${uid}:${rwx(mode >> 3)}`);
  const entries = [`u::${rwx(mode >> 6)}`, "g::---", `o::${rwx(mode)}`, `m::${rwx(mode >> 3)}`, ...named];
  return [{ program: "setfacl", args: ["--set", entries.join(","), "--", path] }];
}

function rwx(bits: number): string {
  return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${bits & 1 ? "x" : "-"}`;
}

/** "host" where ACLs are wanted and cannot be had. */
export async function setAccess(processes: Processes, action: SetAccess): Promise<void> {
  const [command] = accessCommands(action);
  if (command === undefined) return;
  if (action.readers.length === 0) {
    await withoutAcl(processes, command);
    await setMode(action.path, action.mode);
    return;
  }
  const result = await processes.run(command);
  if (result.exit === 0) return;
  if (!/not supported/i.test(result.stderr)) throw failure(command, result);
  throw new EstratoError("host", `${action.path}: its file system has no ACLs, by which single users are let in`, {
    hint: "Share with everybody (--public), or mount the file system with ACLs.",
  });
}

/** Where ACLs cannot be had there is none to be removed. */
async function withoutAcl(processes: Processes, command: Command): Promise<void> {
  try {
    const result = await processes.run(command);
    if (result.exit !== 0 && !/not supported/i.test(result.stderr)) throw failure(command, result);
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "host") throw error;
  }
}

export async function openPassage(path: string): Promise<void> {
  const { mode } = await stat(path);
  if ((mode & 0o111) !== 0o111) await chmod(path, (mode & 0o7777) | 0o111);
}

/** What a folder of somebody else's, or one that has become read-only or gone, answers. */
const OUT_OF_REACH = ["EACCES", "EPERM", "EROFS", "EIO", "ENOTCONN", "ESTALE", "ENOENT", "ENOTDIR"];

export function isOutOfReach(error: unknown): boolean {
  return OUT_OF_REACH.includes((error as NodeJS.ErrnoException).code ?? "");
}

/** Anybody may read who uses what; only its own folder says who may write here. */
export async function markUse(path: string, on: boolean): Promise<void> {
  try {
    if (on) {
      await (await open(path, "wx", 0o644)).close();
      await syncPath(dirname(path));
    } else await removeFile(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (on && code === "EEXIST") return;
    if (!on && isOutOfReach(error)) return;
    if (!["EACCES", "EPERM", "ENOENT", "ENOTDIR"].includes(code)) throw error;
    throw new EstratoError("conflict", `${path}: its owner no longer lets us write there`, { cause: error });
  }
}

/** The folders above `path` that `user` (null: everybody) may not pass through, the outermost first. */
export async function blockedFolders(processes: Processes, path: string, user: HostUser | null): Promise<string[]> {
  if (user?.uid === 0) return [];
  const folders: string[] = [];
  for (let at = dirname(path); folders[0] !== at; at = dirname(at)) folders.unshift(at);
  const [listing, groups] = await Promise.all([
    processes.output({ program: "getfacl", args: ["-p", "-n", "--", ...folders] }),
    user === null ? "" : processes.output({ program: "id", args: ["-G", "--", user.name] }),
  ]);
  const acls = parseAcls(listing);
  const gids = groups.trim().split(/\s+/).map(Number);
  return folders.filter((folder) => !mayPass(acls.get(folder) ?? [], user?.uid ?? null, gids));
}

interface AclEntry {
  readonly kind: string; // user, group, mask, other
  /** Of the user or group that is meant, the owner's too; null for mask and other. */
  readonly id: number | null;
  readonly owning: boolean;
  readonly passes: boolean;
}

/** getfacl(1), its numeric long form. */
export function parseAcls(listing: string): Map<string, readonly AclEntry[]> {
  const found = new Map<string, readonly AclEntry[]>();
  for (const block of listing.split(/\n\n/)) {
    const named = (what: string) => new RegExp(`^# ${what}: (.*)$`, "m").exec(block)?.[1] ?? "";
    const owners: Record<string, number> = { user: Number(named("owner")), group: Number(named("group")) };
    const entries = [...block.matchAll(/^(user|group|mask|other):(\d*):(...)/gm)].map(
      ([, kind = "", id = "", bits = ""]): AclEntry => ({
        kind,
        id: id === "" ? (owners[kind] ?? null) : Number(id),
        owning: id === "",
        passes: bits[2] === "x" || bits[2] === "t" || bits[2] === "s",
      }),
    );
    found.set(named("file"), entries);
  }
  return found;
}

/** acl(5), "Access check algorithm". */
function mayPass(entries: readonly AclEntry[], uid: number | null, gids: readonly number[]): boolean {
  const mask = entries.find(({ kind }) => kind === "mask")?.passes ?? true;
  const other = entries.find(({ kind }) => kind === "other")?.passes ?? false;
  if (uid === null) return other;
  const users = entries.filter(({ kind, id }) => kind === "user" && id === uid);
  const owner = users.find(({ owning }) => owning);
  if (owner !== undefined) return owner.passes;
  const [named] = users;
  if (named !== undefined) return named.passes && mask;
  const groups = entries.filter(({ kind, id }) => kind === "group" && id !== null && gids.includes(id));
  return groups.length === 0 ? other : mask && groups.some(({ passes }) => passes);
}
