/** Why what is borrowed is not pulled in now, and who must stop first. */
import { EstratoError } from "../../errors.ts";
import type { Decision } from "../graph/decisions.ts";
import { standingOn } from "../graph/references.ts";
import type { State } from "../model/state.ts";

/** "conflict". `what`: "image golden"; `decision`: what was decided of the layer, null where somebody is at work. */
export function notNow(state: State, layer: string, what: string, decision: Decision | null): EstratoError {
  const who = standingOn(state, layer).join(", ");
  const why = decision !== null && "reason" in decision ? decision.reason : "something else is at work there";
  const by = decision?.kind === "defer" ? decision.by : [];
  return new EstratoError("conflict", `${who}: ${what} cannot be pulled in now: ${why}`, {
    hint: by.length === 0 ? "Try again." : `Stop first: ${by.join(", ")}.`,
  });
}
