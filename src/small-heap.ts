/** What looks at each file of a store needs little at once, but V8 lets garbage lie until the heap is twice that. */
import { setFlagsFromString } from "node:v8";

/**
 * From now on the heap is collected when it has grown by a fifth. V8 asks for this flag at each collection
 * (`MemoryController::GrowingFactor`), so that it may be set while it runs.
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--heap-growing-percent=20");
}
