import { expect, test } from "vitest";
import { bookmarkOf, dropBookmarks } from "../../../../src/core/backups/bookmarks.ts";
import type { Bookmark } from "../../../../src/core/model/state.ts";
import { emptyState } from "../../../../src/store/empty-state.ts";

/** Two instances, two targets; what web1 has in /b is not there. */
function withThree() {
  const state = emptyState();
  for (const [id, instance, target] of [
    ["bak-1", "web1", "/a"],
    ["bak-2", "web2", "/a"],
    ["bak-3", "web2", "/b"],
  ] as const) {
    state.bookmarks[id] = { id, instance, target } as Bookmark;
  }
  return state;
}

test("an instance's backup builds on its own bookmark in that target, and on no other's", () => {
  const state = withThree();
  expect(bookmarkOf(state, "web2", "/a")?.id).toBe("bak-2");
  expect(bookmarkOf(state, "web2", "/b")?.id).toBe("bak-3");
  expect(bookmarkOf(state, "web1", "/b")).toBeNull();
  expect(bookmarkOf(state, "web3", "/a")).toBeNull();
});

test("forgetting takes an instance's own, in one target or in all", () => {
  const left = (instance: string, target?: string) => {
    const state = withThree();
    dropBookmarks(state, instance, target);
    return Object.keys(state.bookmarks);
  };
  expect(left("web2", "/a")).toEqual(["bak-1", "bak-3"]);
  expect(left("web2")).toEqual(["bak-1"]);
  expect(left("web1", "/b")).toEqual(["bak-1", "bak-2", "bak-3"]);
});
