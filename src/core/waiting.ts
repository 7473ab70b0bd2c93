/** Looking again and again until something is so, with a word to people of what is waited for, and until when. */
import type { World } from "./ports.ts";

const FIRST_LOOK_MS = 100;
const LAST_LOOK_MS = 1_000;

/**
 * True once `look` says so (null), false when `timeoutMs` is over. Until then `look` answers with what is waited for,
 * in words for people. Throws what `look` throws, and "interrupted".
 */
export async function waitUntil(world: World, timeoutMs: number, look: () => Promise<string | null>): Promise<boolean> {
  const startMs = world.clock.elapsedMs();
  for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 1.5, LAST_LOOK_MS)) {
    const what = await look();
    if (what === null) return true;
    const waitedMs = world.clock.elapsedMs() - startMs;
    if (waitedMs >= timeoutMs) return false;
    world.report.progress(`Waiting for ${what}`, null, { waitedMs, timeoutMs });
    await world.clock.sleep(Math.min(lookMs, timeoutMs - waitedMs), world.signal);
  }
}
