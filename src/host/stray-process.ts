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

function commandOf(pid: string): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return []; // it has ended
  }
}
