/** The networks that a shelved instance needs: they may have been renamed or undefined since. */
import { EstratoError } from "../../errors.ts";
import type { NetworkInfo } from "../model/host.ts";
import type { World } from "../ports.ts";
import type { Shelf } from "./record.ts";

/** Reads them. Throws "host" where one is not there, or not active and the instance is to be started. */
export async function requireNetworks(world: World, { record, shelved }: Shelf): Promise<Map<string, NetworkInfo>> {
  const names = [...shelved.interfaces.map((one) => one.network), ...record.addresses.map((one) => one.network)];
  const found = new Map<string, NetworkInfo>();
  for (const name of new Set(names)) {
    if (name === null) continue;
    const network = await world.host.network(name);
    if (network === null) {
      const known = await world.host.listNetworks();
      throw new EstratoError("host", `instance ${record.name}: its network ${name} is not there`, {
        hint: `It stays shelved. Define that network again${known.length === 0 ? "" : ` (there is: ${known.join(", ")})`}, then unshelve it.`,
      });
    }
    if (!network.active && shelved.was !== "off") {
      throw new EstratoError("host", `instance ${record.name}: its network ${name} is not active`, {
        hint: `It stays shelved. Start the network (virsh net-start ${name}), then unshelve it.`,
      });
    }
    found.set(name, network);
  }
  return found;
}
