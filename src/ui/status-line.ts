/**
 * One line on stderr that says what is going on, gone again before anything else is written. Nothing of it off a
 * terminal.
 */
import { fitted, printable } from "./text.ts";

export interface StatusLine {
  /** `fraction` 0 to 1; null where nobody knows. */
  show(title: string, fraction: number | null): void;
  clear(): void;
}

export interface StatusLineOptions {
  readonly stderr: { write(text: string): unknown };
  /** False: nothing is ever shown. */
  readonly moving: boolean;
  readonly columns: number | null;
  /** Milliseconds; redrawn at most every tenth of a second. */
  readonly nowMs: () => number;
}

const REDRAW_MS = 100;
const CLEAR = "\r\u001b[K";

export function statusLine({ stderr, moving, columns, nowMs }: StatusLineOptions): StatusLine {
  let shown = false;
  let last = { title: "", atMs: Number.NEGATIVE_INFINITY };
  return {
    show(title, fraction) {
      if (!moving) return;
      const atMs = nowMs();
      if (title === last.title && atMs - last.atMs < REDRAW_MS && fraction !== 1) return;
      last = { title, atMs };
      const share = fraction === null ? "" : ` ${Math.floor(Math.min(1, Math.max(0, fraction)) * 100)}%`;
      stderr.write(`${CLEAR}${fitted(`${printable(title)}…${share}`, (columns ?? 80) - 1)}`);
      shown = true;
    },
    clear() {
      if (shown) stderr.write(CLEAR);
      shown = false;
      last = { title: "", atMs: Number.NEGATIVE_INFINITY };
    },
  };
}
