import { EstratoError } from "../../errors.ts";
import type { StorePort } from "../ports.ts";

/**
 * A store that is not there is no empty one: a typo in --store, or another user's cron, would be told that there is
 * nothing, and that all is well.
 */
export function missing({ paths }: Pick<StorePort, "paths">): EstratoError {
  return new EstratoError("host", `there is no store at ${paths.home}`, {
    hint: "Name another with --store or ESTRATO_HOME; what makes things makes one: image create, instance create or adopt, snapshot create, backup, restore and the like.",
  });
}
