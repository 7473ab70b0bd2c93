/** When has a guest booted? When its agent answers, or a text stands on its serial console. */
import { EstratoError } from "../../errors.ts";
import type { World } from "../ports.ts";

export interface BootProof {
  /** How long it may take. */
  readonly timeoutMs: number;
  /** What the guest writes to its serial console once it is up; null: its agent answers. */
  readonly consoleText: string | null;
}

const LOOK_MS = 500;
const PING_MS = 1_000;
/** libvirt begins a new log at 2 MiB, unless virtlogd is told otherwise. */
const LARGEST_LOG_BYTES = 64 * 1024 * 1024;

/**
 * Returns how long it took, in ms. Throws "timeout" where it takes longer, "integrity" where the guest is off before.
 * `what`: of which backup.
 */
export async function awaitBoot(
  world: World,
  uuid: string,
  what: string,
  { timeoutMs, consoleText }: BootProof,
): Promise<number> {
  const startMs = world.clock.elapsedMs();
  for (;;) {
    const waitedMs = world.clock.elapsedMs() - startMs;
    if (await isUp(world, uuid, consoleText)) return waitedMs;
    if ((await world.host.domainStatus(uuid))?.live == null) {
      throw new EstratoError("integrity", `${what}: the guest that it started is off again`);
    }
    if (waitedMs >= timeoutMs) {
      const missing = consoleText === null ? "no guest agent answered" : "its console did not show the text";
      throw new EstratoError("timeout", `${what}: ${missing} within ${timeoutMs / 1000} s`, {
        hint: "Give --timeout, or look at its screen: --screenshot FILE.",
      });
    }
    world.report.progress(`Booting ${what}`, null);
    await world.clock.sleep(LOOK_MS, world.signal);
  }
}

async function isUp(world: World, uuid: string, consoleText: string | null): Promise<boolean> {
  if (consoleText === null) return world.host.agentPing(uuid, PING_MS);
  const log = await world.host.readText(world.store.paths.consoleLog(uuid), LARGEST_LOG_BYTES);
  return log?.text.includes(consoleText) ?? false;
}
