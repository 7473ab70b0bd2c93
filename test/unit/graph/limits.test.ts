import { describe, expect, it } from "vitest";
import { requireRoomInChain } from "../../../src/core/graph/limits.ts";
import type { State } from "../../../src/core/model/state.ts";
import type { EstratoError } from "../../../src/errors.ts";
import { addGuest, addImage, addLayer, addSnapshot, emptyState } from "./build.ts";

const WHAT = "instance web1: disk vda";

/** A chain of so many layers, each but the head in a snapshot of web1, the first the oldest. */
function chainOf(layers: number): State {
  const state = emptyState();
  for (let n = 1; n <= layers; n++) addLayer(state, `L${n}`, n === 1 ? null : `L${n - 1}`);
  addGuest(state, "web1", `L${layers}`);
  for (let n = 1; n < layers; n++)
    addSnapshot(state, `s${n}`, [`L${n}`], {
      instance: "web1",
      createdAt: `2026-01-${String(n).padStart(2, "0")}T00:00:00.000Z`,
    });
  return state;
}

function refusal(state: State, layers: number, maxChain: number): EstratoError {
  try {
    requireRoomInChain(state, `L${layers}`, maxChain, WHAT);
  } catch (error) {
    return error as EstratoError;
  }
  throw new Error("was not refused");
}

describe("one more layer", () => {
  it("is nothing to speak of up to sixteen", () => {
    expect(requireRoomInChain(chainOf(15), "L15", 24, WHAT)).toBeNull();
  });

  it("is worth a note from the seventeenth on", () => {
    expect(requireRoomInChain(chainOf(16), "L16", 24, WHAT)).toBe(
      "instance web1: disk vda: would stand on 16 layers; reading gets slower with each. Delete a snapshot that is no longer needed: estrato snapshot delete web1/s1.",
    );
  });

  it("is refused where the host could not start the guest, with the oldest snapshot as the way out", () => {
    expect(requireRoomInChain(chainOf(23), "L23", 24, WHAT)).not.toBeNull();
    const error = refusal(chainOf(24), 24, 24);
    expect(error.code).toBe("conflict");
    expect(error.message).toBe(
      "instance web1: disk vda: would be 25 layers high, and this host can start no more than 24",
    );
    expect(error.hint).toContain("estrato snapshot delete web1/s1.");
  });

  it("asks for no deletion that would not help: of what is protected, or shared with an image or another guest", () => {
    const state = chainOf(24);
    const first = state.snapshots.s1;
    if (first) first.protected = true;
    addImage(state, "golden", ["L2"]);
    addLayer(state, "other", "L3");
    addGuest(state, "db", "other");
    expect(refusal(state, 24, 24).hint).toContain("estrato snapshot delete web1/s4.");
  });

  it("says to stop what is in the way where layers wait to be merged", () => {
    const state = chainOf(24);
    delete state.snapshots.s7;
    expect(refusal(state, 24, 24).hint).toBe(
      "One of them waits to be merged: stop what runs on them, and run 'estrato doctor --repair'.",
    );
  });

  it("says to start afresh from a copy where nothing can be deleted", () => {
    const state = chainOf(24);
    for (const snapshot of Object.values(state.snapshots)) snapshot.protected = true;
    expect(refusal(state, 24, 24).hint).toContain("estrato image save");
  });
});
