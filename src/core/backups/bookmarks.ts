/**
 * Bookmarks: the frozen layers that an instance's newest backup in a target was taken from, on which an incremental one
 * builds.
 */
import { asRead } from "../model/drafts.ts";
import type { Bookmark, State } from "../model/state.ts";

/** The bookmark of an instance in a target; null where the next backup must be full. */
export function bookmarkOf(state: State, instance: string, target: string): Bookmark | null {
  const found = Object.values(state.bookmarks).find((one) => one.instance === instance && one.target === target);
  return found ?? null;
}

/**
 * Forgets an instance's bookmarks, all or that in one target: its next backup there is full. The layers are the
 * collector's. Idempotent.
 */
export function dropBookmarks(draft: State, instance: string, target: string | null = null): void {
  for (const one of Object.values(asRead(draft.bookmarks))) {
    if (one.instance === instance && (target === null || one.target === target)) delete draft.bookmarks[one.id];
  }
}

/**
 * Forgets that of a backup that goes from a target, by all names that this has had (`namesOf`). Another target may hold
 * a copy of it: its bookmark stays.
 */
export function dropBookmark(draft: State, id: string, target: readonly string[]): void {
  const bookmark = draft.bookmarks[id];
  if (bookmark !== undefined && target.includes(bookmark.target)) delete draft.bookmarks[id];
}
