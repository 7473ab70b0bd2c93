/**
 * Pulling in what stands on the files of another user's who is not trusted. A running guest takes in what its QEMU has
 * opened: by the merge of a layer like any other or, where its head stands on snapshots' layers, into the head alone.
 * Where nobody runs, the files are copied under what stands on them, since whatever a program of ours opened of them
 * now could be something else than what was looked at.
 */
import { EstratoError } from "../../errors.ts";
import { lentWords } from "../graph/borrowed.ts";
import type { Holder } from "../graph/decisions.ts";
import { instanceDisk } from "../graph/references.ts";
import { locksFor, pendingOn, settle } from "../layers/collect.ts";
import { holdersOver } from "../layers/holders.ts";
import { notNow } from "../layers/not-now.ts";
import type { Layer, State } from "../model/state.ts";
import { withLocks } from "../operations/with-locks.ts";
import type { HeldLocks, World } from "../ports.ts";
import { standAlone } from "../volumes/stand-alone.ts";
import { requireRoom } from "./copied-files.ts";
import { copyIn } from "./copy-in.ts";
import { findLent } from "./lent-files.ts";

/**
 * Afterwards nothing of ours reads his files through this layer, and he is told so. Throws, with nothing changed,
 * "conflict" where he no longer shares them, or a guest must be stopped first; "host" where they are not what he lent
 * or do not fit; "integrity" where a guest has something else open.
 */
export async function pullIn(world: World, { id }: Layer): Promise<void> {
  const seen = await world.store.read();
  if (seen.layers[id] === undefined) return;
  await withLocks(world, locksFor(seen, id), async (locks) => {
    for (let isDone = false; !isDone; ) isDone = await pullOnce(world, locks, id);
  });
}

/** One operation of it; false where another must follow. */
async function pullOnce(world: World, locks: HeldLocks, id: string): Promise<boolean> {
  const state = await world.store.read();
  const lent = state.layers[id];
  if (lent?.borrowed === undefined) return true; // what was begun has been finished
  const what = lentWords(lent.borrowed);
  const isOurs = locksFor(state, id).every((name) => locks.names.includes(name));
  if (!isOurs || (await pendingOn(world, state, locks, id))) throw notNow(state, id, what, null);
  const { shared, files } = await findLent(world, lent.file, lent.sizeBytes, lent.borrowed);
  await requireRoom(world, shared, files);
  const holders = await holdersOver(world, state, id);
  if (holders.length === 0) {
    await copyIn(world, locks, { state, lent, shared, files });
    return true;
  }
  await requireOpened(world, state, files, holders);
  const above = holders.find(({ role, blocked }) => role === "backing" && blocked === undefined);
  if (above !== undefined) {
    // A frozen layer lies between: QEMU pulls into a head alone. Then that layer is nobody's who runs.
    await standAlone(world, locks, above.instance, above.device);
    return false;
  }
  const decision = await settle(world, locks, id, { pullsIn: true });
  if (decision?.kind !== "merge") throw notNow(state, id, what, decision);
  return true;
}

/** He may have changed a header before the guest was started, by something else than us, and back since. */
async function requireOpened(
  world: World,
  state: State,
  files: readonly string[],
  holders: readonly Holder[],
): Promise<void> {
  for (const { instance, device, blocked } of holders) {
    if (blocked !== undefined) continue; // the decision says why
    const disk = (await world.host.qemuDisks(instance)).find((one) => one.device === device);
    const below = disk?.chain.slice(-files.length) ?? [];
    if (below.length === files.length && below.every((file, index) => file === files[index])) continue;
    throw new EstratoError(
      "integrity",
      `${instanceDisk(state, instance, device)}: QEMU has ${below.join(", ")} open, and what was lent is ${files.join(", ")}`,
      { hint: "Look at what the guest holds before you go on; stopped, it takes in what was lent." },
    );
  }
}
