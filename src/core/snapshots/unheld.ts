/** Before a head is unlinked: does anybody hold it? */
import type { World } from "../ports.ts";

/** No head is unlinked before qemu-img has opened it, without -U, twice: nobody holds it (DESIGN section 3). Throws "conflict". */
export async function requireUnheld(world: World, path: string): Promise<void> {
  for (let look = 0; look < 2; look += 1) {
    await world.host.imageInfo(path, { shared: false, format: "qcow2" });
  }
}
