/**
 * Ports of this host that lead into a guest whose network QEMU serves itself, in the words of QEMU's monitor. No
 * definition holds them, and a QEMU that has just been started has none. Source: qemu(1), `-netdev user,hostfwd=…`.
 */
import type { Forward } from "../core/model/host.ts";
import { parseDefinition } from "./domain-xml.ts";
import type { Virsh } from "./virsh.ts";

export function addForward(netdev: string, forward: Forward): string {
  return `hostfwd_add ${netdev} ${hostWord(forward)}-:${forward.guest}`;
}

export function removeForward(netdev: string, forward: Forward): string {
  return `hostfwd_remove ${netdev} ${hostWord(forward)}`;
}

function hostWord({ protocol, address, host }: Forward): string {
  return `${protocol}:${address}:${host}`;
}

/** A line for the monitor, as virsh takes it. */
export function monitorWords(domain: string, line: string): string[] {
  return ["qemu-monitor-command", "--domain", domain, "--hmp", line];
}

/** How the monitor calls the network that QEMU serves for a domain; null where it is off, or has none. */
export async function netdevOf(virsh: Virsh, domain: string): Promise<string | null> {
  const xml = await virsh.output(["dumpxml", "--domain", domain]);
  return parseDefinition(xml).interfaces.find(({ user }) => user?.backend === "qemu")?.user?.netdev ?? null;
}

/**
 * The forwards that a running QEMU has for the network that it serves itself; null where the domain is off or has no
 * such network.
 */
export async function liveForwards(virsh: Virsh, domain: string): Promise<Forward[] | null> {
  const netdev = await netdevOf(virsh, domain);
  if (netdev === null) return null;
  return parseForwards(await virsh.output(monitorWords(domain, "info usernet")), netdev);
}

/**
 * Reads `info usernet`: for each network a line with its name in parentheses, below it a table of connections (the same
 * on QEMU 7.2 and 10.0).
 */
export function parseForwards(text: string, netdev: string): Forward[] {
  let isIts = false;
  return text.split("\n").flatMap((line): Forward[] => {
    const name = /^Hub -?\d+ \((.*)\):/.exec(line)?.[1];
    if (name !== undefined) isIts = name === netdev;
    const [, word, address = "", host, guest] =
      /^\s*(TCP|UDP)\[HOST_FORWARD\]\s+\d+\s+(\S+)\s+(\d+)\s+\S+\s+(\d+)/.exec(line) ?? [];
    if (!isIts || word === undefined) return [];
    const protocol = word === "UDP" ? "udp" : "tcp";
    return [{ protocol, address: address === "*" ? "0.0.0.0" : address, host: Number(host), guest: Number(guest) }];
  });
}
