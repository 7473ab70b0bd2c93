/** The model of the random walk notices what it is there for. */
import { describe, expect, test } from "vitest";
import type { State } from "../../../src/core/model/state.ts";
import { blank, difference, written } from "../../torture/content.ts";
import { diceOf } from "../../torture/dice.ts";
import { Model } from "../../torture/model.ts";
import type { Seen } from "../../torture/seen.ts";
import { addGuest, addLayer, addSnapshot, emptyState } from "../graph/build.ts";

const VOLUME = "vol-web1-vda";

/** A guest of one disk, with a snapshot of it where that is said. */
function seen(...snapshots: string[]): Seen {
  const state: State = emptyState();
  addLayer(state, "base", null);
  addLayer(state, "head", "base");
  addGuest(state, "web1", "head");
  for (const id of snapshots) {
    addSnapshot(state, id, ["base"]);
    for (const disk of state.snapshots[id]?.disks ?? []) disk.volume = VOLUME;
  }
  return { state, backups: new Map(), settings: {} };
}

function begun(): Model {
  const model = new Model();
  expect(model.learn({ instance: "web1", made: new Map([["vda", blank(1)]]) }, "done", seen())).toEqual([]);
  return model;
}

const created = { adds: [{ kind: "snapshot", name: "s1" }] } as const;

describe("the model", () => {
  test("knows what a snapshot holds: what its volumes held then", () => {
    const model = begun();
    const held = written(model.held(VOLUME), [{ at: 3, cells: 2, byte: 7 }]);
    model.write(VOLUME, held);
    expect(model.learn(created, "done", seen("s1"))).toEqual([]);
    model.write(VOLUME, blank(1));
    expect(model.things.get("s1")?.disks.get(VOLUME)).toEqual(held);
  });

  test("says what was lost, what has appeared, and what was reported done and is not", () => {
    const model = begun();
    expect(model.learn(created, "done", seen())).toEqual(["snapshot s1 is not there"]);
    expect(model.learn(created, "refused", seen("s1"))).toEqual(["snapshot s1 has appeared"]);
    expect(model.learn({}, "done", seen())).toEqual(["snapshot s1 (s1) is gone"]);
  });

  test("lets a line that was cut off have done what it was to do, or not, and nothing else", () => {
    const model = begun();
    expect(model.learn(created, "unknown", seen())).toEqual([]);
    expect(model.learn(created, "unknown", seen("s1"))).toEqual([]);
    expect(model.learn({ removes: ["s1"] }, "unknown", seen("s1"))).toEqual([]);
    expect(model.learn({ removes: ["s1"] }, "done", seen("s1"))).toEqual(["s1 (s1) was not removed"]);
    expect(model.learn({ removes: ["s1"] }, "refused", seen())).toEqual(["snapshot s1 (s1) is gone"]);
  });
});

describe("of what is said of things", () => {
  /** A snapshot, protected or not, and some flavors. */
  const said = (isProtected: boolean, ...flavors: string[]): Seen => {
    const now = seen("s1");
    Object.assign(now.state.snapshots.s1 ?? {}, { protected: isProtected });
    const sizes = { vcpus: 1, ramBytes: 1, diskBytes: 1, createdAt: "" };
    now.state.flavors = Object.fromEntries(flavors.map((name) => [name, { name, ...sizes }]));
    return now;
  };
  const protects = { says: new Map([["s1", { protected: true }]]) };

  test("the model knows that it stays as it was said, and that what was cut off may have said it", () => {
    const model = begun();
    expect(model.learn(created, "done", said(false))).toEqual([]);
    expect(model.learn(protects, "unknown", said(false))).toEqual([]);
    expect(model.learn(protects, "done", said(false))).toEqual(["snapshot s1: protected is false, and true was said"]);
    expect(model.learn(protects, "unknown", said(true))).toEqual([]);
    expect(model.said.isProtected("s1")).toBe(true);
    expect(model.learn({}, "refused", said(false))).toEqual(["snapshot s1: protected is false, and true was said"]);
  });

  test("the model says which records have appeared, are gone, or are still there", () => {
    const model = begun();
    expect(model.learn(created, "done", said(false, "small"))).toEqual([]); // a new store has some
    expect(model.learn({}, "refused", said(false, "small", "f1"))).toEqual(["flavor f1 has appeared"]);
    expect(model.learn({ removes: ["flavor small"] }, "done", said(false, "small", "f1"))).toEqual([
      "flavor small was not removed",
    ]);
    expect(model.learn({}, "done", said(false, "f1"))).toEqual(["flavor small is gone"]);
    const adds = [{ kind: "flavor", name: "f2", says: { vcpus: 2 } }] as const;
    expect(model.learn({ adds }, "done", said(false, "f1", "f2"))).toEqual(["flavor f2: vcpus is 1, not 2"]);
    expect(model.learn({ adds: [{ kind: "flavor", name: "f3" }] }, "done", said(false, "f1", "f2"))).toEqual([
      "flavor f3 is not there",
    ]);
  });
});

test("a cell that differs is named, and a file that is too short", () => {
  expect(difference(blank(1), blank(2))).toBeNull();
  expect(difference(blank(2), blank(1))).toBe("256 cells, and 512 were expected");
  expect(difference(blank(1), written(blank(1), [{ at: 9, cells: 1, byte: 5 }]))).toBe(
    "cell 9 reads 5, and 0 was written",
  );
});

test("a step throws the same whether or not others are left out", () => {
  const thrown = () => Array.from({ length: 5 }, () => diceOf(7, 42).below(1000));
  expect(new Set(thrown()).size).toBe(1);
  expect(diceOf(7, 43).below(1000)).not.toBe(diceOf(7, 42).below(1000));
});
