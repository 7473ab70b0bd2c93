/**
 * Which ports of this host an instance may have. What is chosen here, or checked, is free at this moment, and no other
 * instance of this store has it: ask under the lock of forwards, and hold that until it is recorded.
 */
import { EstratoError } from "../../errors.ts";
import type { Forward } from "../model/host.ts";
import type { State } from "../model/state.ts";
import { lockNetworks } from "../networks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { clash, hostEnd, SSH_PORT } from "./forward.ts";

/** Where networks go by their names: this one is nobody's. */
export const USER_NETWORK = "user";

/** Others wait rather than fail: it is short. */
export function lockForwards(world: World): Promise<HeldLocks> {
  return lockNetworks(world, [USER_NETWORK]);
}

/**
 * Throws "usage" for a port that may not be listened on (below 1024 without root), an address that is none of this
 * host's, or two of the same; "conflict" where another instance or any process of the host has one. `own`: those that
 * this instance listens on now.
 */
export async function requireFree(
  world: World,
  state: State,
  uuid: string,
  forwards: readonly Forward[],
  own: readonly Forward[] = [],
): Promise<void> {
  for (const [at, one] of forwards.entries()) {
    if (forwards.slice(0, at).some((other) => clash(one, other))) {
      throw new EstratoError("usage", `port ${hostEnd(one)}: it is given twice`, { hint: "Leave one of them out." });
    }
    const holder = holderOf(state, uuid, one);
    if (holder !== null) throw taken(one, `instance ${holder} has it`);
    if (own.some((other) => clash(one, other))) continue;
    await requireListening(world, one);
  }
}

/** Throws as `requireFree`, of one that nobody is recorded for. */
async function requireListening(world: World, forward: Forward): Promise<void> {
  switch (await world.host.tryListening(forward)) {
    case "free":
      return;
    case "taken":
      throw taken(forward, "a process of this host has it");
    case "forbidden":
      throw new EstratoError("usage", `port ${hostEnd(forward)}: only root may listen on a port below 1024`, {
        hint: "Choose one from 1024 on.",
      });
    case "no-address":
      throw new EstratoError("usage", `port ${hostEnd(forward)}: ${forward.address} is no address of this host`, {
        hint: "Leave the address out (127.0.0.1), or 0.0.0.0 for all that this host has.",
      });
  }
}

function taken(forward: Forward, why: string): EstratoError {
  return new EstratoError("conflict", `port ${hostEnd(forward)}: ${why}`, {
    hint: "Choose another; --forward on a new instance, or estrato instance set --no-forward … --forward ….",
  });
}

/** The name of another instance that has it, whether it runs or not. */
function holderOf(state: State, uuid: string, forward: Forward): string | null {
  const others = Object.values(state.instances).filter(({ id }) => id !== uuid);
  return others.find((one) => one.userNetwork?.forwards.some((each) => clash(each, forward)))?.name ?? null;
}

/**
 * Below what Linux gives to outgoing connections (32768 on, ip_local_port_range). Each user begins at a place of his
 * own: what one user's instance has while it is off, another's would else be given.
 */
const FIRST_PORT = 20_000;
const PORTS = 12_000;
const PORTS_EACH = 100;

/** A way to its ssh, at a port that nobody has. Throws "host" where none is left. */
export async function chooseSshForward(world: World, state: State, beside: readonly Forward[]): Promise<Forward> {
  const begin = ((state.binding?.user ?? 0) * PORTS_EACH) % PORTS;
  for (let step = 0; step < PORTS; step += 1) {
    const host = FIRST_PORT + ((begin + step) % PORTS);
    const forward: Forward = { protocol: "tcp", address: "127.0.0.1", host, guest: SSH_PORT };
    if (beside.some((one) => clash(one, forward)) || holderOf(state, "", forward) !== null) continue;
    if ((await world.host.tryListening(forward)) === "free") return forward;
  }
  throw new EstratoError("host", `no port from ${FIRST_PORT} to ${FIRST_PORT + PORTS - 1} is left for ssh`, {
    hint: "Give one that is free: --forward HOST:22.",
  });
}
