/**
 * The folder in which libguestfs waits for its appliance: root's is in /tmp, whatever its environment says. It is
 * needed until the two are connected, and goes then, so that nothing is left of it where we are killed.
 */
import { readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { dirname } from "node:path";

/** Of the process `pid`, by the sockets that it has open (proc(5), net/unix); null where it has none there. */
export function socketFolder(pid: number): string | null {
  const own = new Set(openSockets(pid));
  for (const line of readFileSync("/proc/net/unix", "utf8").split("\n")) {
    const [, , , , , , inode = "", path = ""] = line.trim().split(/\s+/);
    if (own.has(inode) && /^\/.*\/libguestfs[A-Za-z0-9]{6}\/guestfsd\.sock$/.test(path)) return dirname(path);
  }
  return null;
}

function openSockets(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? [];
      return inode === undefined ? [] : [inode];
    });
  } catch {
    return []; // it has ended
  }
}

/** What is in it is a socket or two. */
export function removeSocketFolder(folder: string | null): void {
  if (folder !== null) rmSync(folder, { recursive: true, force: true });
}
