import { parseDuration } from "../../core/values.ts";
import type { Factory } from "../../factory.ts";

/** How long a revert keeps what the disks held, in ms: the setting `revert_keep`. */
export async function revertKeepMs(factory: Factory): Promise<number> {
  return parseDuration((await factory.settings()).get("revert_keep").value ?? "24h", "revert_keep");
}
