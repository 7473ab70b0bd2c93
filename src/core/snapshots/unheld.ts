/** Before a head is unlinked: does anybody hold it? */
import { perform } from "../operations/steps.ts";
import type { HeldLocks, World } from "../ports.ts";

/**
 * Before a file is unlinked: qemu-img opens it without -U, a head's twice (DESIGN.md, section 3). Throws "conflict"
 * where it is held.
 */
export async function requireUnheld(world: World, path: string, looks: 1 | 2 = 2): Promise<void> {
  for (let look = 0; look < looks; look += 1) {
    await world.host.imageInfo(path, { shared: false, format: "qcow2" });
  }
}

/**
 * The same for a file that an instance's disk is no longer, or not yet: where libvirtd died at that, its QEMU closes
 * the file first. `null`: no guest ran on it.
 */
export async function requireLeft(
  world: World,
  locks: HeldLocks,
  instance: string | null,
  path: string,
): Promise<void> {
  if (instance !== null) await perform(world, locks, [{ do: "close-unused", domain: instance, path }]);
  await requireUnheld(world, path);
}
