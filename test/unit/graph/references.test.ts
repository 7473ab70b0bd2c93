import { describe, expect, it } from "vitest";
import {
  chain,
  children,
  depth,
  descendantHeads,
  descendants,
  pointersAt,
  standingOn,
} from "../../../src/core/graph/references.ts";
import { addGuest, addImage, addLayer, addSnapshot, addVolume, emptyState } from "./build.ts";

function state() {
  const state = emptyState();
  addLayer(state, "base", null);
  addLayer(state, "S", "base");
  addLayer(state, "H", "S");
  addLayer(state, "C", "S");
  addGuest(state, "web1", "H");
  addVolume(state, "vol-1", "C");
  addImage(state, "golden", ["base"]);
  addSnapshot(state, "s1", ["S"], { instance: "web1", automatic: true });
  return state;
}

describe("a chain", () => {
  it("is read from the top to the bottom, and its depth counts every file", () => {
    expect(chain(state(), "H")).toEqual(["H", "S", "base"]);
    expect(depth(state(), "H")).toBe(3);
  });

  it("that is broken or bites its tail is an error, not an endless walk", () => {
    const broken = state();
    addLayer(broken, "base", "H");
    expect(() => chain(broken, "H")).toThrow("what it stands on is missing or stands on itself");
    expect(descendants(broken, "S").sort()).toEqual(["C", "H", "base"]);
    addLayer(broken, "base", "gone");
    expect(() => depth(broken, "H")).toThrow("layer H");
  });
});

describe("who stands on a layer", () => {
  it("is asked one step up, or all the way", () => {
    expect(children(state(), "S")).toEqual(["H", "C"]);
    expect(descendants(state(), "base")).toEqual(["S", "H", "C"]);
  });

  it("is told by volume, attached or free", () => {
    expect(descendantHeads(state(), "base").map(({ id, instance }) => [id, instance])).toEqual([
      ["vol-web1-vda", "web1"],
      ["vol-1", null],
    ]);
    expect(descendantHeads(state(), "H").map(({ id }) => id)).toEqual(["vol-web1-vda"]);
  });

  it("is told in the names that people gave, each once", () => {
    const named = state();
    addVolume(named, "vol-1", "C").name = "data";
    addSnapshot(named, "s2", ["S", "S"], { type: "volume", volume: "vol-1" });
    expect(standingOn(named, "base")).toEqual([
      "image golden",
      "snapshot web1/s1",
      "snapshot data/s2",
      "instance web1 vda",
      "volume data",
    ]);
  });
});

it("only pointers at the very layer keep it, automatic snapshots among them", () => {
  expect(pointersAt(state(), "S")).toEqual([{ kind: "snapshot", id: "s1" }]);
  expect(pointersAt(state(), "C")).toEqual([{ kind: "volume", id: "vol-1" }]);
});
