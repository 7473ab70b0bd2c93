/** Bookmarks: the frozen layers that an instance's newest backup in a target was taken from, on which an incremental one builds. */
import type { Bookmark, State } from "../../store/schema.ts";

/** The bookmark of an instance in a target; null where the next backup must be full. */
export function bookmarkOf(state: State, instance: string, target: string): Bookmark | null {
  const found = Object.values(state.bookmarks).find((one) => one.instance === instance && one.target === target);
  return found ?? null;
}

/** Forgets an instance's bookmarks: its next backup is full. The layers are the collector's. Idempotent. */
export function dropBookmarks(draft: State, instance: string): void {
  for (const { id, instance: owner } of Object.values(draft.bookmarks)) {
    if (owner === instance) delete draft.bookmarks[id];
  }
}
