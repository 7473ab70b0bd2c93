/**
 * Right before QEMU is to read a chain that ends in somebody else's file, that file is looked at once more: its owner
 * may have put another one there since it was borrowed.
 */
import { borrowedBelow, isBorrowedBackup } from "../graph/borrowed.ts";
import type { Action } from "../model/action.ts";
import type { State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { recheckBorrowedImage } from "./lent-files.ts";

/** Throws "conflict" or "host" where what the action would read is no longer what was borrowed. */
export async function recheckRead(world: World, action: Action): Promise<void> {
  const { files, domain } = readBy(action);
  if (files.length === 0 && domain === null) return;
  const state = await world.store.read();
  if (!Object.values(state.layers).some((layer) => layer.borrowed !== undefined && !isBorrowedBackup(layer))) return;
  for (const top of topsOf(state, files, domain)) {
    const bottom = borrowedBelow(state, top);
    if (bottom !== null && !isBorrowedBackup(bottom)) await recheckBorrowedImage(world, bottom);
  }
}

/**
 * What it opens with all that lies below. Not a commit in a running guest: QEMU has that open, and opens nothing anew.
 */
function readBy(action: Action): { readonly files: readonly string[]; readonly domain: string | null } {
  switch (action.do) {
    case "convert":
      return { files: [action.from], domain: null };
    case "convert-delta":
      return { files: action.layers.map(({ path }) => path), domain: null };
    case "rebase":
      return { files: [action.file], domain: null };
    case "commit":
      return { files: [action.top], domain: null };
    case "resize-disk":
      return { files: [action.path], domain: null };
    case "attach-disk":
      return { files: [action.disk.path], domain: null };
    case "block-pull":
    case "restore-memory":
    case "start":
      return { files: [], domain: action.domain };
    default:
      return { files: [], domain: null };
  }
}

function topsOf(state: State, files: readonly string[], domain: string | null): string[] {
  const read = Object.values(state.layers).flatMap(({ id, file }) => (files.includes(file) ? [id] : []));
  const heads = Object.values(state.volumes).flatMap(({ instance, head }) =>
    domain !== null && instance === domain ? [head] : [],
  );
  return [...read, ...heads];
}
