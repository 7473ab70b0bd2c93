/**
 * A QEMU that goes on without libvirt: a libvirtd that cannot read its own note of a guest takes it for one that is
 * off.
 */
import { readdirSync, readFileSync } from "node:fs";
import { parseState } from "./domain-status.ts";
import type { Virsh } from "./virsh.ts";

/**
 * By UUID: the process of each of these domains that runs though libvirt says that it is off. One look at the machine's
 * processes for all of them.
 */
export async function strayProcesses(virsh: Virsh, uuids: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  if (uuids.length === 0) return found;
  const running = qemuProcesses();
  for (const uuid of uuids) {
    if (!running.has(uuid)) continue;
    // It may have been started, or have ended, since the caller asked.
    const { exit, stdout } = await virsh.run(["domstate", "--domain", uuid]);
    const pid = exit === 0 && parseState(stdout).state === "shutoff" ? qemuProcesses().get(uuid) : undefined;
    if (pid !== undefined) found.set(uuid, pid);
  }
  return found;
}

/**
 * By the UUID of their domain. Nothing else tells: libvirt's own file with the process's number is gone by then, or is
 * not to be trusted.
 */
function qemuProcesses(): Map<string, number> {
  const found = new Map<string, number>();
  for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
    const words = commandOf(pid);
    const uuid = words[words.indexOf("-uuid") + 1];
    if (/qemu/.test(words[0] ?? "") && uuid !== undefined) found.set(uuid, Number(pid));
  }
  return found;
}

/** proc(5): field 22 of /proc/PID/stat, in ticks since the machine was started, of which there are 100 a second. */
const TICKS_A_SECOND = 100;

/** Since when the QEMU of this domain runs; null where there is none, or /proc does not show it. */
export function startedAt(uuid: string): Date | null {
  const pid = qemuProcesses().get(uuid);
  if (pid === undefined) return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // from the third on
    const upSeconds = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
    const agoSeconds = upSeconds - Number(fields[22 - 3]) / TICKS_A_SECOND;
    return Number.isFinite(agoSeconds) ? new Date(Date.now() - agoSeconds * 1000) : null;
  } catch {
    return null; // it has ended
  }
}

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // it has ended
  }
}
