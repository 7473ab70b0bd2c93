/**
 * A QEMU that goes on without libvirt: a libvirtd that cannot read its own note of a guest takes it for one that is
 * off.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { HostCapabilities } from "../core/model/host.ts";
import { parseState } from "./domain-status.ts";
import type { Virsh } from "./virsh.ts";
import { attribute, childrenNamed, readXml } from "./xml.ts";

/** What is asked of libvirt to know its processes from those of others. */
export interface KnownBy {
  readonly virsh: Virsh;
  readonly capabilities: () => Promise<Pick<HostCapabilities, "qemuUser">>;
}

/**
 * By UUID: the process of each of these domains that runs though libvirt says that it is off. One look at the machine's
 * processes for all of them.
 */
export async function strayProcesses(by: KnownBy, uuids: readonly string[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  if (uuids.length === 0) return found;
  const running = qemuProcesses();
  for (const uuid of uuids) {
    if (!running.has(uuid)) continue;
    // It may have been started, or have ended, since the caller asked.
    const { exit, stdout } = await by.virsh.run(["domstate", "--domain", uuid]);
    const pid = exit === 0 && parseState(stdout).state === "shutoff" ? await processOf(by, uuid) : undefined;
    if (pid !== undefined) found.set(uuid, pid);
  }
  return found;
}

interface QemuProcess {
  readonly pid: number;
  /** Who started it. */
  readonly uid: number;
}

/**
 * By the UUID of their domain: all that say so. Nothing else tells: libvirt's own file with the process's number is
 * gone by then, or is not to be trusted.
 */
function qemuProcesses(): Map<string, QemuProcess[]> {
  const found = new Map<string, QemuProcess[]>();
  for (const pid of readdirSync("/proc").filter((name) => /^[0-9]+$/.test(name))) {
    const words = commandOf(pid);
    const uuid = words[words.indexOf("-uuid") + 1];
    const uid = /qemu/.test(words[0] ?? "") && uuid !== undefined ? starterOf(pid) : null;
    if (uuid !== undefined && uid !== null) found.set(uuid, [...(found.get(uuid) ?? []), { pid: Number(pid), uid }]);
  }
  return found;
}

/** The one of libvirt's. */
async function processOf(by: KnownBy, uuid: string): Promise<number | undefined> {
  const named = qemuProcesses().get(uuid) ?? [];
  if (named.length === 0) return undefined;
  const owners = await ownersOf(by, uuid);
  return named.find(({ uid }) => owners?.has(uid) ?? true)?.pid;
}

/**
 * Who runs the QEMU of this domain; null where that may be anybody. A command line tells what its caller likes, and the
 * program may well be QEMU itself: what another user cannot choose is as whom it runs. libvirt runs it as the one user
 * of its DAC driver, or as us, or as whom the domain's own label names. Root's is never another's.
 */
async function ownersOf({ virsh, capabilities }: KnownBy, uuid: string): Promise<ReadonlySet<number> | null> {
  try {
    const xml = await virsh.output(["dumpxml", "--domain", uuid, "--inactive"]);
    const labels = childrenNamed(readXml(xml, "domain"), "seclabel");
    if (labels.some((label) => attribute(label, "model") === "dac")) return null;
    const { qemuUser } = await capabilities();
    const us = process.getuid?.() ?? 0;
    return new Set([0, us, qemuUser?.uid ?? us]);
  } catch {
    return null; // a QEMU that is passed over loses data, and one too many only refuses
  }
}

/**
 * The real user of a process; null where it has ended, or its program is one that anybody runs as another user (sudo
 * waiting for a password is root's by all that the kernel says, and has the words that its caller gave it).
 */
function starterOf(pid: string): number | null {
  try {
    const uid = /^Uid:\t(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return uid === undefined || isSetUser(pid) ? null : Number(uid);
  } catch {
    return null;
  }
}

/** Only root is told it of processes of others. */
function isSetUser(pid: string): boolean {
  try {
    return (statSync(`/proc/${pid}/exe`).mode & SET_USER) !== 0;
  } catch {
    return false;
  }
}

const SET_USER = 0o4000; // S_ISUID, inode(7)

/** proc(5): field 22 of /proc/PID/stat, in ticks since the machine was started, of which there are 100 a second. */
const TICKS_A_SECOND = 100;

/** Since when the QEMU of this domain runs; null where there is none, or /proc does not show it. */
export async function startedAt(by: KnownBy, uuid: string): Promise<Date | null> {
  const pid = await processOf(by, uuid);
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
