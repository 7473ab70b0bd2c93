/**
 * What is going on, on stderr. At a terminal it is one line, gone again before anything else is written; into a log a
 * line every ten seconds; for programs an object on a line of its own.
 */
import { type Progress, type ProgressDetail, progressJson, progressWords, summaryWords } from "./progress.ts";
import { fitted, printable } from "./text.ts";

/** moving: a line that is drawn anew. log: one every ten seconds. none: nothing is ever shown. */
export type ProgressWay = "moving" | "log" | "json" | "none";

export interface StatusLine {
  /** `fraction` 0 to 1; null where nobody knows. */
  show(title: string, fraction: number | null, detail?: ProgressDetail): void;
  /** Wipes the line: something else is to be written. */
  clear(): void;
  /** All is done: what took long is summed up in a line. */
  end(): void;
}

export interface StatusLineOptions {
  readonly stderr: { write(text: string): unknown };
  readonly way: ProgressWay;
  readonly columns: number | null;
  /** Milliseconds that only go on. */
  readonly nowMs: () => number;
  readonly now: () => Date;
}

const EVERY_MS: Readonly<Record<ProgressWay, number>> = { moving: 100, log: 10_000, json: 500, none: 0 };
/** What took as long is worth a closing line. */
const LONG_MS = 5_000;
const CLEAR = "\r\u001b[K";

export function statusLine({ stderr, way, columns, nowMs, now }: StatusLineOptions): StatusLine {
  let shown = false;
  let drawnMs = Number.NEGATIVE_INFINITY;
  let at: (Progress & { readonly beganMs: number }) | null = null;

  function clear(): void {
    if (shown) stderr.write(CLEAR);
    shown = false;
    drawnMs = Number.NEGATIVE_INFINITY;
  }

  function draw(progress: Progress): void {
    const title = printable(progress.title);
    const words = progressWords(progress);
    if (way === "json") stderr.write(`${progressJson(progress)}\n`);
    else if (way === "log") stderr.write(`${title}${words === "" ? "" : `: ${words.replaceAll("  ", ", ")}`}\n`);
    else {
      stderr.write(`${CLEAR}${fitted(`${title}…${words === "" ? "" : ` ${words}`}`, (columns ?? 80) - 1)}`);
      shown = true;
    }
  }

  function end(): void {
    const last = at;
    at = null;
    if (last === null || last.fraction === null || last.fraction < 1 || last.elapsedMs < LONG_MS) return;
    if (way !== "moving" && way !== "log") return;
    clear();
    stderr.write(`${printable(last.title)}: ${summaryWords(last)}\n`);
  }

  return {
    show(title, fraction, detail = {}) {
      if (way === "none") return;
      const ms = nowMs();
      const isSame = at?.title === title;
      if (!isSame) end();
      const known = fraction === null ? null : Math.min(1, Math.max(0, fraction));
      const { beganMs, from } = isSame && at !== null && fraction !== 0 ? at : { beganMs: ms, from: known ?? 0 };
      at = { title, fraction: known, from, detail, beganMs, elapsedMs: ms - beganMs, now: now() };
      if (!isSame) drawnMs = way === "log" ? ms : Number.NEGATIVE_INFINITY; // a log tells only what lasts
      if (ms - drawnMs < EVERY_MS[way] && !(known === 1 && way !== "log")) return;
      drawnMs = ms;
      draw(at);
    },
    clear: () => {
      if (way === "moving") clear();
    },
    end,
  };
}
