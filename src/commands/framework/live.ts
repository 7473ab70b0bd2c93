/** What is shown again and again, at a terminal, until Ctrl-C. */
import type { Factory } from "../../factory.ts";

/**
 * Writes what `draw` gives over what it gave before; `times` null: until Ctrl-C, which ends it well. The last one stays
 * on the screen.
 */
export async function redrawn(factory: Factory, times: number | null, draw: () => Promise<string>): Promise<null> {
  const { streams, signal, status, env } = factory;
  let height = 0;
  for (let left = times ?? Number.POSITIVE_INFINITY; left > 0; left -= 1) {
    let text: string;
    try {
      text = await draw();
    } catch (error) {
      if (signal.aborted) return null;
      throw error;
    }
    status.clear();
    // A terminal that cannot move its cursor gets one below the other.
    const back = height === 0 || env.TERM === "dumb" ? "" : `\u001b[${height}A\u001b[J`;
    streams.stdout.write(`${back}${text}`);
    height = text.split("\n").length - 1;
  }
  return null;
}
