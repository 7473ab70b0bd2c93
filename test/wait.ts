/**
 * Waiting for what is to happen: soon at first, since most of it is quick, and seldom after a while, since looking
 * costs something.
 */

const FIRST_MS = 15;
const LAST_MS = 500;
/** For a guest that boots on a busy machine. */
export const PATIENCE_MS = 300_000;

/** A turn at once, and then one after each pause (the longest: `lastMs`), until the time is up. */
export async function* pauses(timeoutMs: number, lastMs = LAST_MS): AsyncGenerator<void> {
  const end = Date.now() + timeoutMs;
  for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(pauseMs * 1.7, lastMs)) {
    yield;
    if (Date.now() >= end) return;
    await new Promise((next) => setTimeout(next, pauseMs));
  }
}

/** Polls until `probe` is true. */
export async function until(what: string, probe: () => Promise<boolean>): Promise<void> {
  for await (const _ of pauses(PATIENCE_MS)) if (await probe()) return;
  throw new Error(`waited ${PATIENCE_MS} ms in vain: ${what}`);
}
