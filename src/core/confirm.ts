import type { World } from "./ports.ts";

/**
 * Asks before something is lost: true for a yes. A dry run loses nothing, and asks nobody. Throws "needs_yes" where
 * nobody can answer.
 */
export async function confirmed(
  world: Pick<World, "report" | "dryRun">,
  question: Parameters<World["report"]["confirm"]>[0],
): Promise<boolean> {
  return world.dryRun || (await world.report.confirm(question));
}
