/** Waiting for a guest: until it has a status, an address that answers for it, or an agent. */
import { didYouMean } from "../../did-you-mean.ts";
import { EstratoError } from "../../errors.ts";
import type { DomainStatus } from "../model/host.ts";
import type { World } from "../ports.ts";
import { waitUntil } from "../waiting.ts";
import { agentAddresses, leasedAddresses, type Nic, readNetworks } from "./addresses.ts";
import { findInstance, lookUpInstance } from "./find.ts";
import { INSTANCE_STATUSES, statusWord } from "./view.ts";

export type WaitGoal =
  | { readonly kind: "status"; readonly status: string }
  | { readonly kind: "address" }
  | { readonly kind: "agent" };

/** A guest of 25 MiB boots in 5 s under software emulation; a large one takes minutes. */
export const DEFAULT_WAIT_MS = 300_000;

const AGENT_PING_MS = 1_000;

/** The goal that a person wrote: `address`, `agent`, `status=active`. Throws "usage". */
export function parseGoal(text: string): WaitGoal {
  if (text === "address" || text === "agent") return { kind: text };
  const status = /^status=(.+)$/.exec(text)?.[1];
  if (status !== undefined) {
    if (INSTANCE_STATUSES.some((known) => known === status)) return { kind: "status", status };
    throw new EstratoError("usage", `--for status=${JSON.stringify(status)}: no instance ever has that status`, {
      hint: didYouMean(status, INSTANCE_STATUSES, `An instance is one of ${INSTANCE_STATUSES.join(", ")}.`),
    });
  }
  throw new EstratoError("usage", `--for ${text}: not something to wait for`, {
    hint: "Use address, agent, or status=active.",
  });
}

/**
 * Returns when the instance is as wished. Throws "timeout" after `timeoutMs`; "conflict" at once where it is off and so
 * can never get an address or an agent. Changes nothing.
 */
export async function waitForInstance(world: World, target: string, goal: WaitGoal, timeoutMs: number): Promise<void> {
  let name = target;
  const isSo = await waitUntil(world, timeoutMs, async () => {
    const seen = await look(world, target, goal);
    name = seen.name;
    return seen.reached ? null : `${words(goal)} of ${name}`;
  });
  if (!isSo) throw timedOut(name, goal, timeoutMs);
}

/** One that is shelved has a status too, and nothing else that could be waited for. */
async function look(world: World, target: string, goal: WaitGoal): Promise<{ name: string; reached: boolean }> {
  const { status: domain, record } = await lookUpInstance(world, target);
  if (goal.kind === "status" && domain === null && record?.shelved != null) {
    return { name: record.name, reached: goal.status === "shelved" };
  }
  const { status } = await findInstance(world, target);
  return { name: status.name, reached: await isReached(world, status, goal) };
}

async function isReached(world: World, status: DomainStatus, goal: WaitGoal): Promise<boolean> {
  if (goal.kind === "status") return goal.status === statusWord(status) || goal.status === status.state;
  if (status.live === null) {
    throw new EstratoError("conflict", `instance ${status.name}: it is off`, {
      hint: `Start it first: estrato instance start ${status.name}.`,
    });
  }
  const running = status.state === "running";
  const answers = running && status.live.agentChannel && (await world.host.agentPing(status.uuid, AGENT_PING_MS));
  if (goal.kind === "agent") return answers;
  return hasAddress(world, status.uuid, status.live.interfaces, answers);
}

/**
 * A reservation is there before the guest is, and a lease of an earlier boot stays (LIBVIRT.md, trap 27): only a lease
 * that was given since it runs, or its agent, shows that it has taken an address.
 */
async function hasAddress(world: World, uuid: string, nics: readonly Nic[], agentAnswers: boolean): Promise<boolean> {
  if (agentAnswers && (await agentAddresses(world, uuid)).length > 0) return true;
  const names = nics.flatMap((nic) => (nic.network === null ? [] : [nic.network]));
  const networks = await readNetworks(world, names);
  if (leasedAddresses(nics, networks).length === 0) return false;
  const since = await world.host.startedAt(uuid);
  return leasedAddresses(nics, networks, since).length > 0;
}

function words(goal: WaitGoal): string {
  return goal.kind === "status" ? `status ${goal.status}` : goal.kind === "agent" ? "the agent" : "an address";
}

function timedOut(name: string, goal: WaitGoal, timeoutMs: number): EstratoError {
  return new EstratoError(
    "timeout",
    `instance ${name}: no ${words(goal).replace(/^(the|an) /, "")} within ${Math.round(timeoutMs / 1000)} s`,
    {
      hint: `It goes on; look at it with "estrato instance log ${name}", or wait longer with --timeout.`,
    },
  );
}
