/** How many vCPUs and how much memory a machine may have: at all, and on this host. */
import { EstratoError } from "../errors.ts";
import { humanSize } from "../units.ts";
import type { World } from "./ports.ts";

interface MachineSize {
  readonly vcpus: number;
  readonly ramBytes: number;
}

/** What QEMU takes at most on any machine type; the host may take fewer. */
const MOST_VCPUS = 4096;
/** libvirt gives a machine whole ones of memory, rounded up (measured on both generations). */
const MIB = 1024 * 1024;

/** Throws "usage", of `what`, for what is no machine's size anywhere. */
export function requireMachineSize(what: string, { vcpus, ramBytes }: MachineSize): void {
  if (vcpus > MOST_VCPUS) {
    throw new EstratoError("usage", `${what}: ${vcpus} vCPUs are too many`, { hint: `Give at most ${MOST_VCPUS}.` });
  }
  if (ramBytes < MIB) {
    throw new EstratoError("usage", `${what}: ${humanSize(ramBytes)} of memory is too little`, {
      hint: "Give it as 512M or 4G.",
    });
  }
}

/** Is a machine of the one size a machine of the other? */
export function isSameSize(one: MachineSize, other: MachineSize): boolean {
  return one.vcpus === other.vcpus && isSameMemory(one.ramBytes, other.ramBytes);
}

/** A definition keeps KiB of what was asked for in bytes, and what runs by it has MiB. */
export function isSameMemory(oneBytes: number, otherBytes: number): boolean {
  return Math.ceil(oneBytes / MIB) === Math.ceil(otherBytes / MIB);
}

/**
 * Throws "host" where this host starts no machine of that size, whatever else runs, in the place of the one that `xml`
 * defines. Only what it has not yet is looked at.
 */
export async function requireHostGives(world: World, what: string, xml: string, wanted: MachineSize): Promise<void> {
  const now = world.host.parseDefinition(xml);
  if (isSameSize(now, wanted)) return;
  const most = await world.host.machineLimits(xml);
  if (wanted.vcpus !== now.vcpus && wanted.vcpus > (most.vcpus ?? wanted.vcpus)) {
    throw new EstratoError("host", `${what}: ${wanted.vcpus} vCPUs are more than its machine type takes here`, {
      hint: `Give at most ${most.vcpus}.`,
    });
  }
  if (!isSameMemory(wanted.ramBytes, now.ramBytes) && wanted.ramBytes > (most.ramBytes ?? wanted.ramBytes)) {
    throw new EstratoError(
      "host",
      `${what}: ${humanSize(wanted.ramBytes)} of memory are more than this host has, swap included`,
      { hint: `Give less than ${humanSize(most.ramBytes ?? 0)}.` },
    );
  }
}
