/**
 * How long a guest stands still: from its last "Suspended" to the "Resumed" that follows, as libvirt's events tell it.
 */
import type { ActionContext } from "./context.ts";

/** The watcher ends by itself after so long, should we die before it. */
const AT_MOST_SECONDS = 600;
const LOOK_MS = 10;
const LOOKS = 200;

export interface StallWatch {
  /** Tells `onStall` what was seen. Never fails: this is only for people to read. */
  stop(): Promise<void>;
}

/**
 * Begins to watch; returns when virsh listens, which it says by the domain's state.
 * (The "Total downtime" of domjobinfo leaves out the switch of the disks: 79 ms where the guest stood still for 149,
 * measured.)
 */
export async function watchStall(context: ActionContext, domain: string): Promise<StallWatch | null> {
  const { onStall } = context.options;
  if (onStall === undefined) return null;
  const ending = new AbortController();
  let heard = "";
  let isOver = false;
  const listen = `domstate ${domain}; event --domain ${domain} --event lifecycle --loop --timestamp`;
  const ended = context.virsh
    .run([`${listen} --timeout ${AT_MOST_SECONDS}`], {
      as: "own",
      signal: ending.signal,
      onOutput: (text) => {
        heard += text;
      },
    })
    .catch(() => undefined)
    .finally(() => {
      isOver = true;
    });
  const until = async (probe: () => boolean) => {
    for (let look = 0; look < LOOKS && !isOver && !probe(); look += 1) await context.sleep(LOOK_MS);
  };
  await until(() => heard !== "");
  return {
    async stop() {
      // The last event may still be on its way. A guest that was paused has none.
      await until(() => parseStall(heard) !== null || !heard.startsWith("running"));
      ending.abort();
      await ended;
      const ms = parseStall(heard);
      if (ms !== null) onStall(ms);
    },
  };
}

/** Milliseconds between the last suspension and its resumption; null where either is missing. */
export function parseStall(text: string): number | null {
  const at = (word: string) => {
    const found = [...text.matchAll(new RegExp(`^(\\S+ \\S+): event 'lifecycle' .*: ${word}\\b`, "gm"))].at(-1)?.[1];
    return found === undefined ? Number.NaN : Date.parse(found.replace(" ", "T").replace(/\+0000$/, "Z"));
  };
  const ms = at("Resumed") - at("Suspended");
  return ms >= 0 ? ms : null;
}
