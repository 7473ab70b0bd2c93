/** A process and all that it has started. */
import { readdirSync, readFileSync } from "node:fs";

/** Ids of all that descend from it, itself not. */
export function descendants(pid: number): number[] {
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => [Number(name), parentOf(name)] as const);
  const found = [pid];
  for (const one of found) for (const [child, parent] of parents) if (parent === one) found.push(child);
  return found.slice(1);
}

function parentOf(id: string): number {
  try {
    const stat = readFileSync(`/proc/${id}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
  } catch {
    return 0; // it has ended
  }
}

/** SIGKILL, to all at once: none has the time to see another go. */
export function killTree(pid: number, { children }: { children: boolean }): void {
  send(pid, "SIGSTOP");
  const all = children ? descendants(pid) : [];
  for (const one of [...all, pid]) send(one, "SIGKILL");
}

export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended
  }
}
