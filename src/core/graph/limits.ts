/**
 * A chain may not grow without bound: QEMU opens every file of it, and some libvirts cannot start long ones
 * (LIBVIRT.md, "Where versions differ").
 */

import { EstratoError } from "../../errors.ts";
import { compareTexts } from "../../order.ts";
import type { Snapshot, State } from "../model/state.ts";
import { chain, children, depth, pointersAt } from "./references.ts";

/** Beyond so many layers each read of old data is felt, and people should hear of it. */
const NOTE_LAYERS = 16;

/**
 * May one more layer come on top of `head`? Returns a note for the user once the chain would be longer than 16 layers,
 * else null. `what` begins the sentence: "instance web1: disk vda". `maxChain`: what this host can start
 * (HostCapabilities). Throws "conflict" where it would be longer than `maxChain`, with the way out as the hint.
 */
export function requireRoomInChain(state: State, head: string, maxChain: number, what: string): string | null {
  const ids = chain(state, head);
  const below = depth(state, head);
  const layers = below + 1;
  if (layers <= NOTE_LAYERS && layers <= maxChain) return null;
  const way = wayOut(state, ids);
  if (layers <= maxChain) return `${what}: would stand on ${below} layers; reading gets slower with each. ${way}`;
  throw new EstratoError(
    "conflict",
    `${what}: would be ${layers} layers high, and this host can start no more than ${maxChain}`,
    {
      hint: way,
    },
  );
}

/** What makes the chain shorter: waiting for what is deferred, deleting a snapshot, or starting afresh from a copy. */
function wayOut(state: State, ids: readonly string[]): string {
  const waiting = ids.slice(1).filter((id) => pointersAt(state, id).length === 0 && children(state, id).length === 1);
  if (waiting.length > 0)
    return `${waiting.length === 1 ? "One of them waits" : `${waiting.length} of them wait`} to be merged: stop what runs on them, and run 'estrato doctor --repair'.`;
  const snapshot = oldestThatShortens(state, ids);
  if (snapshot !== null)
    return `Delete a snapshot that is no longer needed: estrato snapshot delete ${snapshotTarget(state, snapshot)}.`;
  return "Save a copy that stands on nothing (estrato image save), make an image of that file, and go on from it.";
}

/** The oldest unprotected snapshot whose deletion takes at least one layer out of this very chain. */
function oldestThatShortens(state: State, ids: readonly string[]): Snapshot | null {
  const lone = new Set<string>();
  for (const id of ids) {
    const [pointer, second] = pointersAt(state, id);
    if (pointer?.kind === "snapshot" && second === undefined && children(state, id).length === 1) lone.add(pointer.id);
  }
  const candidates = Object.values(state.snapshots).filter((one) => lone.has(one.id) && !one.protected);
  candidates.sort((a, b) => compareTexts(a.createdAt, b.createdAt));
  return candidates[0] ?? null;
}

/** As a person types it: INSTANCE/NAME, or the id where that would not find it. */
function snapshotTarget(state: State, snapshot: Snapshot): string {
  const instance = snapshot.instance === null ? undefined : state.instances[snapshot.instance];
  return instance === undefined ? snapshot.id : `${instance.name}/${snapshot.name}`;
}
