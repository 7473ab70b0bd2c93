/** The guest agent, through libvirt. Source: QEMU, qga/qapi-schema.json. */
import { isIPv4 } from "node:net";
import type { AgentAnswer, AgentCommand } from "../core/model/host.ts";
import { lastWords } from "./process-failure.ts";
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

/**
 * One command with its arguments, which no process's own arguments show. libvirt takes an answer of up to 4 MiB, and
 * what it is told no agent understands beyond some 192,000 characters (both measured on 9.0 and 11.3).
 */
export async function agentCommand(
  virsh: Virsh,
  uuid: string,
  command: AgentCommand,
  timeoutMs: number,
): Promise<AgentAnswer> {
  const timeout = ["--timeout", String(Math.max(1, Math.ceil(timeoutMs / 1000)))];
  const before = ["qemu-agent-command", "--domain", uuid];
  const shown = [...before, JSON.stringify({ execute: command.execute }), ...timeout];
  const result = await virsh.unseen([...before, asciiJson(command), ...timeout], { extraMs: timeoutMs, shown });
  if (result.exit !== 0) return refusal(result.stderr);
  try {
    return { refused: null, value: (JSON.parse(result.stdout) as { return?: unknown }).return };
  } catch {
    return { refused: "failed", words: "its answer is no JSON" };
  }
}

/** As virsh reads it: no letter of it is special there, and none a key. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /['\u007f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** In libvirt's words of 9.0 and 11.3, and the agent's of QEMU 2.9 to 10. */
function refusal(stderr: string): AgentAnswer {
  const words = (lastWords(stderr) ?? "it says nothing").replace(
    /^.*unable to execute QEMU agent command '[a-z-]+': /,
    "",
  );
  if (/domain is not running|failed to get domain|Domain not found/i.test(words)) return { refused: "off", words };
  if (/agent is not (responding|connected|configured)|agent command timed out|state change lock/i.test(words))
    return { refused: "silent", words };
  if (/^(the )?command [\w-]+ has (been disabled|not been found)/i.test(words)) return { refused: "disabled", words };
  return { refused: "failed", words };
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
