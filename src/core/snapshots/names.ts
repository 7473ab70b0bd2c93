/** Names of snapshots: unique for one instance, or one volume; made from the time where none is given. */
import { EstratoError } from "../../errors.ts";
import { compareAges } from "../../order.ts";
import { rowsNaming } from "../model/passing.ts";
import type { Snapshot, State } from "../model/state.ts";

/** The snapshots of an instance (its UUID), or those of a volume alone (its id); oldest first. */
export function snapshotsOf(state: State, owner: string): Snapshot[] {
  return rowsNaming(state, "snapshots", [owner])
    .filter((snapshot) => (snapshot.type === "instance" ? snapshot.instance : snapshot.volume) === owner)
    .sort(compareAges);
}

/** Throws "conflict" where the instance, or the volume, has a snapshot of this name. */
export function requireFreeSnapshotName(state: State, owner: { uuid: string; name: string }, name: string): void {
  if (!snapshotsOf(state, owner.uuid).some((snapshot) => snapshot.name === name)) return;
  throw new EstratoError("conflict", `snapshot ${owner.name}/${name}: the name is taken`, {
    hint: "Choose another, or delete that one first.",
  });
}

/** 20261120-113005, with -2, -3, … where two are made in one second. */
export function freeSnapshotName(state: State, owner: string, now: Date, prefix = ""): string {
  const stem = prefix + now.toISOString().slice(0, 19).replaceAll("-", "").replaceAll(":", "").replace("T", "-");
  const taken = new Set(snapshotsOf(state, owner).map((snapshot) => snapshot.name));
  let name = stem;
  for (let next = 2; taken.has(name); next += 1) name = `${stem}-${next}`;
  return name;
}
