/** What looks at each file of a store needs little at once, but V8 lets garbage lie until the heap is twice that. */
import { setFlagsFromString } from "node:v8";

/** Who looks at so many takes seconds. */
const MANY_FILES = 2_000;

/**
 * For who is about to look at so many files: from now on the heap is collected when it has grown by a fifth, and what
 * is made goes through its young part. Where the first of a kind were kept V8 puts all that follow into the old part
 * at once, and with them whatever they point at: of a thousand definitions that were read and let go, 70 MiB stayed
 * until all was collected. V8 asks for these flags at each collection (`MemoryController::GrowingFactor`,
 * `PretenuringHandler`), so that they may be set while it runs; but it takes no code then that was compiled under other
 * flags, and modules that are still to be loaded cost 25 ms more.
 */
export function keepHeapSmall(files: number): void {
  if (files < MANY_FILES) return;
  setFlagsFromString("--heap-growing-percent=20");
  setFlagsFromString("--no-allocation-site-pretenuring");
}
