/** `instance set --forward` and `--no-forward`: the ports of this host that lead into an instance. */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import type { Action } from "../model/action.ts";
import type { DomainStatus, Forward, UserNetwork } from "../model/host.ts";
import { type Instance, recordSchemas, type State } from "../model/state.ts";
import { run } from "../operations/operation.ts";
import { type PlanView, perform, type Step } from "../operations/steps.ts";
import type { HeldLocks, Kind, Outcome, World } from "../ports.ts";
import { clash, hostEnd, parseHostEnd } from "./forward.ts";
import { requireFree } from "./free-ports.ts";

export interface ForwardWish {
  readonly add: readonly Forward[];
  /** HOST[/udp], as typed. */
  readonly drop: readonly string[];
}

type RecordedNetwork = NonNullable<Instance["userNetwork"]>;

interface ForwardData {
  readonly uuid: string;
  readonly before: RecordedNetwork | null;
  readonly after: RecordedNetwork;
}

export const forwardKind: Kind<ForwardData> = {
  name: "instance.forward",
  version: 1,
  data: v.object({
    uuid: v.string(),
    before: v.nullable(recordSchemas.userNetwork),
    after: recordSchemas.userNetwork,
  }),
  recover: recoverForward,
};

/** A start of a guest whose QEMU is told its ports behind it: killed in between, the next command tells it. */
export function startToForward(
  world: World,
  locks: HeldLocks,
  { uuid, name: target }: DomainStatus,
  network: RecordedNetwork,
  steps: readonly Step[],
): Promise<PlanView | null> {
  const data = { uuid, before: network, after: network };
  return run(world, locks, { kind: forwardKind, target, data, steps, result: async () => null });
}

/** The network of its own user that a domain has; null where it has none. */
export function userNetworkOf(status: DomainStatus): UserNetwork | null {
  return status.inactive.interfaces.find(({ user }) => user !== undefined)?.user ?? null;
}

/**
 * What it will have; null where that is what it has. Ask under the lock of forwards. Throws "conflict" where it has no
 * such network, or a port is taken, "not_found" where it does not have what is to go, and what `requireFree` throws.
 */
export async function planForwards(
  world: World,
  state: State,
  status: DomainStatus,
  wish: ForwardWish,
): Promise<ForwardData | null> {
  const { uuid, name } = status;
  const network = userNetworkOf(status);
  if (network === null) {
    throw new EstratoError("conflict", `instance ${name}: no network of its own user, so no port leads to it`, {
      hint: "It is reached at its address: estrato instance show. A new one gets such a network with --network user.",
    });
  }
  const before = state.instances[uuid]?.userNetwork ?? null;
  // Of one that we have not given any, those that somebody has set by hand stay.
  const found = network.backend === "passt" ? network.forwards : await world.host.liveForwards(uuid);
  const had = before?.forwards ?? found ?? [];
  const gone = wish.drop.map((text) => droppedBy(name, had, text));
  const kept = had.filter((one) => !gone.includes(one));
  const isNew = (one: Forward) => !kept.some((other) => clash(one, other) && one.guest === other.guest);
  const forwards = [...kept, ...wish.add.filter(isNew)];
  // passt listens until the guest stops on what it was started with.
  const listening = status.live?.interfaces.flatMap(({ user }) => user?.forwards ?? []) ?? [];
  await requireFree(world, state, uuid, forwards, status.live === null ? [] : [...had, ...listening]);
  const after = { backend: network.backend, forwards };
  return JSON.stringify(after) === JSON.stringify(before) ? null : { uuid, before, after };
}

function droppedBy(name: string, had: readonly Forward[], text: string): Forward {
  const wanted = parseHostEnd(text);
  const found = had.find(
    (one) =>
      one.protocol === wanted.protocol &&
      one.host === wanted.host &&
      (wanted.address === null || wanted.address === one.address),
  );
  if (found !== undefined) return found;
  const there = had.map(hostEnd).join(", ");
  throw new EstratoError("not_found", `instance ${name}: port ${text} does not lead to it`, {
    hint: there === "" ? "None does." : `These do: ${there}.`,
  });
}

/** The guest first, where it can refuse; then what it is started with; recorded last. */
export function forwardSteps(world: World, status: DomainStatus, data: ForwardData): Step[] {
  return [
    { id: "set-forwards", title: "Set the ports that lead to it", actions: reached(world, status, data.after) },
    { id: "record-forwards", title: "Record them", run: () => recordNetwork(world, data.uuid, data.after) },
  ];
}

/** passt's stand in the definition, which the running one is not told of; QEMU's own in the running guest alone. */
function reached(world: World, { uuid, inactive, live }: DomainStatus, network: RecordedNetwork): Action[] {
  const { backend, forwards } = network;
  if (backend === "passt") return [{ do: "define", xml: world.host.editDefinition(inactive.xml, { forwards }) }];
  return live === null ? [] : [{ do: "set-forwards", domain: uuid, forwards }];
}

/** Null: it has none. Idempotent. */
export async function recordNetwork(world: World, uuid: string, network: RecordedNetwork | null): Promise<void> {
  await world.store.update((draft) => {
    const instance = draft.instances[uuid];
    if (instance === undefined) return;
    if (network === null) delete instance.userNetwork;
    else instance.userNetwork = network;
  });
}

/** Recorded: forward; else back. Either way guest and definition are made what is recorded. */
async function recoverForward(world: World, locks: HeldLocks, data: ForwardData): Promise<Outcome> {
  const recorded = (await world.store.read()).instances[data.uuid]?.userNetwork ?? null;
  const isDone = JSON.stringify(recorded) === JSON.stringify(data.after);
  const status = await world.host.domainStatus(data.uuid);
  const wanted = recorded ?? { ...data.after, forwards: [] };
  try {
    if (status !== null) await perform(world, locks, reached(world, status, wanted));
  } catch (error) {
    // Somebody has a port by now. It stays recorded, so that doctor names it; all else can go on.
    if (!(error instanceof EstratoError) || error.code !== "conflict") throw error;
    world.report.note(`${status?.name}: ${error.message}`);
  }
  return isDone ? "forward" : "back";
}

/** A guest whose network passt serves has them from its next start on: passt takes none while it runs. */
export function noteNextStart(world: World, { name, live }: DomainStatus, { after }: ForwardData): void {
  if (after.backend === "passt" && live !== null && !world.dryRun)
    world.report.note(`${name}: passt serves its network, so the ports lead to it from its next start on`);
}
