/** What looks at each file of a store needs little at once, but V8 lets garbage lie until the heap is twice that. */
import { setFlagsFromString } from "node:v8";

/** Who looks at so many takes seconds. */
const MANY_FILES = 2_000;

/**
 * For who is about to look at so many files: from now on the heap is collected when it has grown by a fifth. V8 asks
 * for this flag at each collection (`MemoryController::GrowingFactor`), so that it may be set while it runs; but it
 * takes no code then that was compiled under other flags, and modules that are still to be loaded cost 25 ms more.
 */
export function keepHeapSmall(files: number): void {
  if (files >= MANY_FILES) setFlagsFromString("--heap-growing-percent=20");
}
