/** A guest whose memory was saved while it was paused: its QEMU changes no file until it is resumed. */
import { EstratoError } from "../../errors.ts";
import type { DomainStatus } from "../model/host.ts";
import type { World } from "../ports.ts";

/** Why no file may be moved under it; null where it may. Asks QEMU, of one that is paused alone. */
export async function whyAsleep(world: World, { state, uuid }: DomainStatus): Promise<string | null> {
  if (state !== "paused" || !(await world.host.isAsleep(uuid))) return null;
  return "its memory was saved while it was paused, and QEMU changes no file before it is resumed";
}

/** Throws "conflict" for one that is. */
export async function requireAwake(world: World, status: DomainStatus): Promise<void> {
  const why = await whyAsleep(world, status);
  if (why === null) return;
  throw new EstratoError("conflict", `instance ${status.name}: ${why}`, {
    hint: `Resume it: estrato instance resume ${status.name}.`,
  });
}
