/** The clock of the lines that run in this process: as far from the real one as is wished. */

const RealDate = Date;
let offsetMs = 0;

class Moved extends RealDate {
  constructor(...all: unknown[]) {
    // biome-ignore lint/suspicious/noExplicitAny: Date's own many ways to be made
    super(...((all.length === 0 ? [RealDate.now() + offsetMs] : all) as [any]));
  }

  static override now(): number {
    return RealDate.now() + offsetMs;
  }
}

/** 0: the real one. */
export function setClock(ms: number): void {
  offsetMs = ms;
  globalThis.Date = ms === 0 ? RealDate : (Moved as DateConstructor);
}

export const clockOffset = (): number => offsetMs;
/** Unmoved. */
export const realNow = (): number => RealDate.now();
