import { describe, expect, it } from "vitest";
import { type Measures, reckoning } from "../../../src/core/graph/accounting.ts";
import { addGuest, addImage, addLayer, addSnapshot, emptyState, FOREIGN } from "./build.ts";

const onFiles = () => null;
const s1 = { kind: "snapshot", id: "s1" } as const;

/** P (image golden), S1 (snapshot s1) and the head H of web1, over ten clusters of one byte. */
function estate(own: Record<string, string>) {
  const state = emptyState();
  addLayer(state, "P", null);
  addLayer(state, "S1", "P");
  addLayer(state, "H", "S1");
  addGuest(state, "web1", "H");
  addImage(state, "golden", ["P"]);
  addSnapshot(state, "s1", ["S1"], { instance: "web1" });
  const extents = (id: string) => [...(own[id] ?? "")].flatMap((c, start) => (c === "x" ? [{ start, length: 1 }] : []));
  const measures: Measures = { extents, fileBytes: (id) => extents(id).length };
  return { state, measures };
}

describe("what deleting a snapshot frees", () => {
  it("is what the layers above have overwritten since", () => {
    const { state, measures } = estate({ P: "xxxxxxxxxx", S1: "xxxx......", H: "..xxx....." });
    expect(reckoning(state, onFiles).exclusiveBytes([s1], measures)).toBe(2);
  });

  it("is nothing where nothing was overwritten", () => {
    const { state, measures } = estate({ S1: "xxxx......", H: "....x....." });
    expect(reckoning(state, onFiles).exclusiveBytes([s1], measures)).toBe(0);
  });

  it("is nothing while an image shares its layer", () => {
    const { state, measures } = estate({ S1: "xxxx......", H: "xxxx......" });
    addImage(state, "too", ["S1"]);
    expect(reckoning(state, onFiles).exclusiveBytes([s1], measures)).toBe(0);
    const both = [s1, { kind: "image", id: "too" } as const];
    expect(reckoning(state, onFiles).exclusiveBytes(both, measures)).toBe(4);
  });

  it("does not count what waits to be collected anyway", () => {
    const { state, measures } = estate({ P: "xxxxx.....", S1: "xxxx......", H: "xxxx......" });
    state.images = {};
    expect(reckoning(state, onFiles).exclusiveBytes([s1], measures)).toBe(4);
  });

  it("does not count a file that was there before us: it stays where it is", () => {
    const { state, measures } = estate({ S1: "xxxx......", H: "xx........" });
    addLayer(state, "S1", null, { foreign: FOREIGN });
    const all = [s1, { kind: "volume", id: "vol-web1-vda" } as const];
    expect(reckoning(state, onFiles).exclusiveBytes(all, measures)).toBe(2);
  });

  it("takes a device for no larger than it is, whichever layer its file is of by then", () => {
    const { state, measures } = estate({ D: "xxxx......", H: "xxxx......" });
    addLayer(state, "D", null, { foreign: FOREIGN, format: "raw", sizeBytes: 10 });
    addLayer(state, "S1", "D", { sizeBytes: 10 }); // it holds nothing: the device becomes its file
    addLayer(state, "H", "S1", { sizeBytes: 20, frozen: false });
    addSnapshot(state, "s0", ["D"], { instance: "web1" });
    const both = [{ kind: "snapshot", id: "s0" } as const, s1];
    expect(reckoning(state, (id) => (id === "D" ? 10 : null)).exclusiveBytes(both, measures)).toBe(0);
    expect(reckoning(state, onFiles).exclusiveBytes(both, measures)).toBe(4);
  });
});
