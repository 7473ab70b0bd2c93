/** The guest agent, through libvirt. Source: QEMU, qga/qapi-schema.json. */
import { isIPv4 } from "node:net";
import type { Virsh } from "./virsh.ts";

const TIMEOUT_SECONDS = 5;

/** One command to the agent; null where none answers within the limit, or where it answers with an error. */
async function ask(virsh: Virsh, uuid: string, execute: string, timeoutSeconds = TIMEOUT_SECONDS): Promise<unknown> {
  const words = ["qemu-agent-command", "--domain", uuid, JSON.stringify({ execute }), "--timeout"];
  const { exit, stdout } = await virsh.run([...words, String(timeoutSeconds)], { extraMs: timeoutSeconds * 1000 });
  if (exit !== 0) return null;
  try {
    return (JSON.parse(stdout) as { return?: unknown }).return ?? null;
  } catch {
    return null;
  }
}

/** Does the agent answer within the limit (whole seconds, at least one)? */
export async function agentPing(virsh: Virsh, uuid: string, timeoutMs: number): Promise<boolean> {
  return (await ask(virsh, uuid, "guest-ping", Math.max(1, Math.ceil(timeoutMs / 1000)))) !== null;
}

export async function agentFreezeStatus(virsh: Virsh, uuid: string): Promise<"frozen" | "thawed" | null> {
  const status = await ask(virsh, uuid, "guest-fsfreeze-status");
  return status === "frozen" || status === "thawed" ? status : null;
}

/** Thaws; false where the agent is silent. */
export async function agentThaw(virsh: Virsh, uuid: string): Promise<boolean> {
  return (await ask(virsh, uuid, "guest-fsfreeze-thaw")) !== null;
}

/** The guest's addresses, IPv4 first; without loopback and link-local ones. Null where no agent answers. */
export async function agentAddresses(virsh: Virsh, uuid: string): Promise<string[] | null> {
  const answer = await ask(virsh, uuid, "guest-network-get-interfaces");
  return answer === null ? null : parseInterfaces(answer);
}

interface GuestInterface {
  readonly "ip-addresses"?: readonly { readonly "ip-address"?: unknown }[];
}

/** More than a guest with a card in each slot has. */
const MOST_ADDRESSES = 100;

/**
 * Reads what the agent says of the guest's interfaces. A guest may say anything: only what looks like an address
 * passes.
 */
export function parseInterfaces(answer: unknown): string[] {
  const interfaces = Array.isArray(answer) ? (answer as readonly GuestInterface[]) : [];
  const addresses = interfaces
    .flatMap((each) => each?.["ip-addresses"] ?? [])
    .map((each) => each?.["ip-address"])
    .filter((address): address is string => typeof address === "string" && /^[0-9A-Fa-f.:]{3,45}$/.test(address))
    .filter((address) => !/^(127\.|169\.254\.|::1$|fe[89ab])/i.test(address));
  const sorted = [...addresses.filter((each) => isIPv4(each)), ...addresses.filter((each) => !isIPv4(each))];
  return sorted.slice(0, MOST_ADDRESSES);
}
