import { describe, expect, it } from "vitest";
import { collect, nextStep } from "../../../src/core/graph/collect.ts";
import type { Abandon, CollectFacts, Merge, ResumeFacts } from "../../../src/core/graph/decisions.ts";
import { mergeEffects } from "../../../src/core/graph/effects.ts";
import { resumeMerge } from "../../../src/core/graph/resume.ts";
import type { State } from "../../../src/core/model/state.ts";
import { addGuest, addLayer, addSnapshot, emptyState, facts, onAnothers, running } from "./build.ts";

const UP = { D: 1, K: 2 };
const DOWN = { D: 2, K: 1 };

/** D under K: the head of web1, or a snapshot with the heads of web1 and db on it. */
function pair(top: "head" | "snapshot"): State {
  const state = emptyState();
  addLayer(state, "D", null);
  addLayer(state, "K", "D");
  if (top === "head") addGuest(state, "web1", "K");
  else {
    addSnapshot(state, "s1", ["K"]);
    for (const [head, guest] of [
      ["H1", "web1"],
      ["H2", "db"],
    ] as const) {
      addLayer(state, head, "K");
      addGuest(state, guest, head);
    }
  }
  return state;
}

function begun(state: State, bytes: Record<string, number>, holders: CollectFacts["holders"] = new Map()): Merge {
  const step = nextStep(collect(state, facts({ bytes, holders })));
  if (step?.kind !== "merge") throw new Error("no merge");
  return step;
}

const found = (holders: CollectFacts["holders"] = new Map(), defined: string | null = null): ResumeFacts => ({
  ...facts({ holders }),
  definedFile: () => defined,
});

describe("a merge that a kill cut short", () => {
  it("is repeated as it was while nothing has changed", () => {
    for (const bytes of [UP, DOWN]) {
      const state = pair("snapshot");
      const merge = begun(state, bytes);
      expect(resumeMerge(state, found(), merge)).toEqual(merge);
    }
  });

  it("keeps to its way, whatever would be fewer bytes by now", () => {
    const state = pair("head");
    const merge = begun(state, DOWN);
    expect(resumeMerge(state, { ...found(), ownBytes: (id) => UP[id as "D" | "K"] }, merge)).toMatchObject({
      way: "down",
    });
  });

  it("is given up where it takes in what is another user's: the header names that again once nobody runs", () => {
    const state = onAnothers();
    const holders = running(["web1", "K", "D"]);
    const merge = nextStep(collect(state, facts({ holders, pulledIn: "D" }))) as Merge;
    expect(resumeMerge(state, found(holders), merge)).toMatchObject({ kind: "abandon", relink: false });
    const off = resumeMerge(state, found(), merge) as Abandon;
    expect(mergeEffects(state, off).work).toMatchObject([{ do: "relink", backing: { path: "/alice/D.qcow2" } }]);
  });

  it("is left to the guest that was started meanwhile", () => {
    const state = pair("head");
    const holders = running(["web1 vda", "K", "D"]);
    const live = { instance: "web1", device: "vda" };
    expect(resumeMerge(state, found(holders), begun(state, UP))).toMatchObject({ way: "up", live, moved: false });
    expect(resumeMerge(state, found(holders), begun(state, DOWN))).toMatchObject({ way: "down", live, moved: false });
  });

  it("goes on with qemu-img where the guest has stopped meanwhile", () => {
    const state = pair("head");
    const merge = begun(state, {}, running(["web1 vda", "K", "D"]));
    expect(resumeMerge(state, found(), merge)).toMatchObject({ way: "up", live: null, moved: false });
  });

  it("is over but for the clean-up where the state has it already", () => {
    const state = pair("head");
    const merge = begun(state, UP);
    mergeEffects(state, merge).after(state);
    expect(resumeMerge(state, found(), merge)).toBeNull();
  });

  it("cannot go on where the record contradicts it", () => {
    const state = pair("head");
    const merge = begun(state, UP);
    addLayer(state, "K", null);
    expect(() => resumeMerge(state, found(), merge)).toThrow("its merge cannot go on, K does not stand on it");
  });

  it("waits for a block job that goes on", () => {
    const state = pair("head");
    const holders = new Map([
      ["K", [{ instance: "web1", device: "vda", role: "head" as const, blocked: "a block job is under way" }]],
    ]);
    expect(resumeMerge(state, found(holders), begun(state, UP))).toMatchObject({ kind: "defer" });
  });
});

describe("data that has arrived is not moved again", () => {
  it("when QEMU writes into the lower file already: a second commit would undo what the guest wrote since", () => {
    const state = pair("head");
    const merge = begun(state, DOWN);
    const again = resumeMerge(state, found(running(["web1 vda", "D"]), "/layers/K.qcow2"), merge);
    expect(again).toMatchObject({ moved: true, live: null });
    if (again?.kind !== "merge") throw new Error("deferred");
    expect(mergeEffects(state, again).work).toEqual([]);
  });

  it("when the guest is off and its definition names the lower file: it may have run on it in between", () => {
    const state = pair("head");
    const merge = begun(state, DOWN);
    expect(resumeMerge(state, found(new Map(), "/layers/D.qcow2"), merge)).toMatchObject({ moved: true });
    expect(resumeMerge(state, found(new Map(), "/layers/K.qcow2"), merge)).toMatchObject({ moved: false });
  });

  it("when a guest stands on the upper layer without the lower: the header was switched", () => {
    const state = pair("snapshot");
    const holders = running(["web1 vda", "H1", "K"], ["db vda", "H2", "K"]);
    expect(resumeMerge(state, found(holders), begun(state, UP))).toMatchObject({ moved: true, live: null });
  });

  it("when a guest stands on the lower file without the upper: the rest of the siblings is re-pointed, not his", () => {
    const state = pair("snapshot");
    const again = resumeMerge(state, found(running(["web1 vda", "H1", "D"])), begun(state, DOWN));
    expect(again).toMatchObject({ moved: true, carried: ["H1"] });
    if (again?.kind !== "merge") throw new Error("deferred");
    const relinked = mergeEffects(state, again).settle.flatMap((action) =>
      action.do === "relink" ? [action.file] : [],
    );
    expect(relinked).toEqual(["/layers/H2.qcow2"]);
  });
});

describe("what was left to do waits until guests stop", () => {
  it("when one runs on a sibling that is yet to be re-pointed", () => {
    const state = pair("snapshot");
    const holders = running(["web1 vda", "H1", "D"], ["db vda", "H2", "K", "D"]);
    expect(resumeMerge(state, found(holders), begun(state, DOWN))).toMatchObject({
      kind: "defer",
      by: ["instance db vda"],
    });
  });

  it("when two run on a layer whose data was going down: what lies below is void, and only the layer masks it", () => {
    const state = pair("snapshot");
    const holders = running(["web1 vda", "H1", "K", "D"], ["db vda", "H2", "K", "D"]);
    expect(resumeMerge(state, found(holders), begun(state, DOWN))).toMatchObject({ kind: "defer" });
  });
});

describe("a merge up is given up", () => {
  it("when guests were started on a middle layer: it reads the same with half of it absorbed", () => {
    const state = pair("snapshot");
    const merge = begun(state, UP);
    for (const id of ["D", "K"]) Object.assign(state.layers[id] ?? {}, { busy: "op-1" });
    const holders = running(["web1 vda", "H1", "K", "D"], ["db vda", "H2", "K", "D"]);
    for (const guests of [holders, running(["web1 vda", "H1", "K", "D"])]) {
      const given = resumeMerge(state, found(guests), merge);
      expect(given).toEqual({ kind: "abandon", relink: false, layer: "D", child: "K" });
    }
    const effects = mergeEffects(state, { kind: "abandon", layer: "D", child: "K", relink: false });
    expect(effects).toMatchObject({ work: [], cleanup: [], unheld: [], locks: ["db", "web1"] });
    expect(effects.settle).toEqual([{ do: "set-mode", path: "/layers/K.qcow2", mode: 0o400 }]);
    effects.after(state);
    expect(state.layers).toEqual(pair("snapshot").layers);
  });

  it("but not where the headers may have changed", () => {
    const state = pair("snapshot");
    const holders = running(["web1 vda", "H1", "K", "D"], ["db vda", "H2", "K"]);
    expect(resumeMerge(state, found(holders), begun(state, UP))).toMatchObject({ kind: "defer" });
  });
});
