/**
 * Which process an entry of the journal is at work in. A lock is proof enough as long as its file is there; where
 * somebody has removed it, a newcomer gets a lock of the same name, and this tells him that the work still goes on.
 */
import { readFileSync } from "node:fs";
import * as v from "valibot";

/** A number of a process alone is given again; with when it began, counted from the start of the kernel, it is not. */
export const ownerSchema = v.object({ pid: v.number(), startTicks: v.number(), boot: v.string() });
export type Owner = v.InferOutput<typeof ownerSchema>;

/** This process; null where /proc does not say. */
export function thisProcess(): Owner | null {
  const startTicks = startOf(process.pid);
  return startTicks === null ? null : { pid: process.pid, startTicks, boot: bootId() };
}

export function isThis({ pid, startTicks, boot }: Owner): boolean {
  return pid === process.pid && boot === bootId() && startTicks === startOf(pid);
}

/** Another process than this one, which lives. */
export function isAnotherAlive({ pid, startTicks, boot }: Owner): boolean {
  return pid !== process.pid && boot === bootId() && startOf(pid) === startTicks;
}

/** Source: proc(5), /proc/pid/stat, field 22; null where it is not there, or dead and not yet waited for. */
function startOf(pid: number): number | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" "); // a name may hold anything
    return fields[0] === "Z" ? null : Number(fields[19]);
  } catch {
    return null;
  }
}

function bootId(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
