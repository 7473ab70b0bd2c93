/**
 * A running guest, spoken to through its agent: the guest may be hostile, so each answer has a shape that is asked for
 * and all else is refused. Nothing of libvirt's is changed, and no lock is taken: what the guest does to its own files
 * goes on beside every snapshot anyway.
 */
import * as v from "valibot";
import { EstratoError } from "../../errors.ts";
import { findInstance } from "../instances/find.ts";
import { isOff, wrongState } from "../instances/power.ts";
import type { AgentAnswer } from "../model/host.ts";
import type { World } from "../ports.ts";

/** What is needed of the agent (QEMU, qga/qapi-schema.json). Some distributions forbid all of them. */
const NEEDED = [
  "guest-exec",
  "guest-exec-status",
  "guest-file-open",
  "guest-file-close",
  "guest-file-read",
  "guest-file-write",
  "guest-file-seek",
  "guest-file-flush",
] as const;
type AgentVerb = (typeof NEEDED)[number];

export interface Guest {
  readonly world: World;
  readonly uuid: string;
  readonly name: string;
  /**
   * Asks its agent, and waits while a snapshot holds its file systems frozen. Throws AgentSilent where nothing comes
   * (it may have been done), "conflict" where it is off or stays frozen, "failed" with its words, or for an answer of
   * another shape.
   */
  ask<T>(execute: AgentVerb, args: Readonly<Record<string, unknown>>, shape: v.GenericSchema<unknown, T>): Promise<T>;
}

/** "host": the agent has not answered. */
export class AgentSilent extends EstratoError {
  constructor(name: string) {
    super("host", `instance ${name}: its guest agent does not answer`, {
      hint: `Install and start qemu-guest-agent there; or wait for it: estrato wait instance ${name} --for agent.`,
    });
    this.name = "AgentSilent";
  }
}

const ANSWER_MS = 30_000;
/** A snapshot holds a guest frozen for less than a second. */
const FROZEN_MS = 30_000;
const FROZEN_LOOK_MS = 200;

/**
 * The guest of this id or name, whose agent does all that is needed. Throws "conflict" where it is off or paused, or is
 * frozen (a snapshot is being taken of it); "host" where no agent answers, or one that forbids some of it.
 */
export async function openGuest(world: World, target: string): Promise<Guest> {
  const { status } = await findInstance(world, target);
  const { uuid, name } = status;
  if (status.live === null) throw isOff(name);
  if (status.state !== "running")
    throw wrongState(name, "it is paused", `Let it run on: estrato instance resume ${name}.`);
  if (!status.live.agentChannel) {
    throw new EstratoError("host", `instance ${name}: it has no channel to a guest agent`, {
      hint: "Its definition needs a channel org.qemu.guest_agent.0; instances that estrato makes have one.",
    });
  }
  const forbidden = async () => {
    const info = await world.host.agentCommand(uuid, { execute: "guest-info" }, ANSWER_MS);
    if (info.refused !== null) throw refusalOf(name, info);
    return forbiddenOf(info.value);
  };
  if ((await forbidden()).length > 0) {
    // A frozen one forbids them too, and may have thawed since it said so.
    if ((await world.host.agentFreezeStatus(uuid)) === "frozen") throw frozen(name);
    const still = await forbidden();
    if (still.length > 0) throw forbids(name, still);
  }
  return {
    world,
    uuid,
    name,
    async ask(execute, args, shape) {
      for (let waitedMs = 0; ; waitedMs += FROZEN_LOOK_MS) {
        const answer = await world.host.agentCommand(uuid, { execute, arguments: args }, ANSWER_MS);
        if (answer.refused === null) {
          const parsed = v.safeParse(shape, answer.value);
          if (parsed.success) return parsed.output;
          throw new EstratoError("failed", `instance ${name}: its guest agent answers ${execute} with nonsense`);
        }
        if (answer.refused !== "disabled") throw refusalOf(name, answer);
        if (waitedMs >= FROZEN_MS) throw frozen(name);
        await world.clock.sleep(FROZEN_LOOK_MS, world.signal);
      }
    },
  };
}

const INFO = v.object({
  supported_commands: v.array(v.object({ name: v.string(), enabled: v.boolean() })),
});

/** What of NEEDED the agent does not have, or has been told not to do. */
function forbiddenOf(info: unknown): AgentVerb[] {
  const parsed = v.safeParse(INFO, info);
  if (!parsed.success) return [...NEEDED];
  const allowed = new Set(parsed.output.supported_commands.flatMap(({ name, enabled }) => (enabled ? [name] : [])));
  return NEEDED.filter((each) => !allowed.has(each));
}

function forbids(name: string, verbs: readonly AgentVerb[]): EstratoError {
  return new EstratoError("host", `instance ${name}: its guest agent forbids ${verbs.join(", ")}`, {
    hint:
      "In the guest, take these out of block-rpcs (blacklist), or add them to allow-rpcs, in " +
      "/etc/qemu/qemu-ga.conf or /etc/sysconfig/qemu-ga, and restart qemu-guest-agent.",
  });
}

function frozen(name: string): EstratoError {
  return wrongState(name, "its file systems are frozen, for a snapshot of it", "Try again when that is taken.");
}

function refusalOf(name: string, answer: Exclude<AgentAnswer, { refused: null }>): EstratoError {
  if (answer.refused === "off") return isOff(name);
  if (answer.refused === "silent") return new AgentSilent(name);
  return new EstratoError("failed", `instance ${name}: its guest agent: ${answer.words}`);
}

/** Throws "interrupted" once the command is: between two pieces of what takes long. */
export function requireGoingOn({ world, name }: Guest): void {
  if (world.signal.aborted) throw new EstratoError("interrupted", `instance ${name}: interrupted`);
}
