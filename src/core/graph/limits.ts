/**
 * A chain may not grow without bound: QEMU opens every file of it, and some libvirts cannot start long ones
 * (LIBVIRT.md, "Where versions differ").
 */
import { EstratoError } from "../../errors.ts";
import { compareAges } from "../../order.ts";
import { rowsNaming } from "../model/passing.ts";
import type { Snapshot, State } from "../model/state.ts";
import { chain, depth, eachPointer, type Pointer } from "./references.ts";

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
  const { single, pointers } = around(state, ids);
  const waiting = single.filter((id) => id !== ids[0] && pointers.get(id) === undefined);
  if (waiting.length > 0)
    return `${waiting.length === 1 ? "One of them waits" : `${waiting.length} of them wait`} to be merged: stop what runs on them, and run 'estrato doctor --repair'.`;
  const alone = single.flatMap((id) => pointers.get(id) ?? []);
  const snapshot = oldestOf(state, alone);
  if (snapshot !== null)
    return `Delete a snapshot that is no longer needed: estrato snapshot delete ${snapshotTarget(state, snapshot)}.`;
  return "Save a copy that stands on nothing (estrato image save), make an image of that file, and go on from it.";
}

/**
 * Those of these few layers on which exactly one stands, and who points at each of them (null: several do). Nothing is
 * asked of the others, an image's base among them, which many thousand rows may name.
 */
function around(state: State, ids: readonly string[]) {
  const standing = new Map(ids.map((id) => [id, 0]));
  for (const { parent } of rowsNaming(state, "layers", ids))
    if (parent !== null && standing.has(parent)) standing.set(parent, (standing.get(parent) ?? 0) + 1);
  const single = ids.filter((id) => standing.get(id) === 1);
  const wanted = new Set(single);
  const pointers = new Map<string, Pointer | null>();
  const point = (layer: string, kind: Pointer["kind"], id: string) => {
    if (wanted.has(layer)) pointers.set(layer, pointers.has(layer) ? null : { kind, id });
  };
  eachPointer(state, point, single);
  return { single, pointers };
}

/** The oldest unprotected snapshot among these: with one that alone points at a layer, the layer goes. */
function oldestOf(state: State, pointers: readonly Pointer[]): Snapshot | null {
  const ids = pointers.flatMap(({ kind, id }) => (kind === "snapshot" ? [id] : []));
  const snapshots = rowsNaming(state, "snapshots", ids).filter(({ id }) => ids.includes(id));
  return snapshots.filter((one) => !one.protected).sort(compareAges)[0] ?? null;
}

/** As a person types it: INSTANCE/NAME, or the id where that would not find it. */
function snapshotTarget(state: State, snapshot: Snapshot): string {
  const instance = snapshot.instance === null ? undefined : state.instances[snapshot.instance];
  return instance === undefined ? snapshot.id : `${instance.name}/${snapshot.name}`;
}
