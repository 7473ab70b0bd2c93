import { describe, expect, it } from "vitest";
import { collect, nextStep } from "../../../src/core/graph/collect.ts";
import type { CollectFacts, Decision } from "../../../src/core/graph/decisions.ts";
import { mergeEffects } from "../../../src/core/graph/effects.ts";
import { PIVOT_FACTOR, PIVOT_FLOOR_BYTES } from "../../../src/core/graph/merging.ts";
import type { State } from "../../../src/core/model/state.ts";
import {
  addGuest,
  addImage,
  addLayer,
  addSnapshot,
  addVolume,
  emptyState,
  FOREIGN,
  facts,
  GiB,
  MiB,
  onAnothers,
  running,
} from "./build.ts";

/** P, pointed at by an image; D, nobody's; K on it: frozen (a snapshot) or the head of web1. */
function pair(top: "snapshot" | "head", d: Parameters<typeof addLayer>[3] = {}): State {
  const state = emptyState();
  addLayer(state, "P", null);
  addImage(state, "golden", ["P"]);
  addLayer(state, "D", d?.foreign ? null : "P", d);
  addLayer(state, "K", "D");
  if (top === "head") addGuest(state, "web1", "K");
  else {
    addSnapshot(state, "s1", ["K"]);
    addLayer(state, "H", "K");
    addGuest(state, "web1", "H");
  }
  return state;
}

function decided(state: State, more: CollectFacts): Decision {
  const [only, ...others] = collect(state, more);
  expect(others).toEqual([]);
  if (only === undefined) throw new Error("nothing was decided");
  return only;
}

function does(state: State, more: CollectFacts): string[] {
  const step = nextStep(collect(state, more));
  if (step === undefined) return [];
  const { work, settle, cleanup } = mergeEffects(state, step);
  return [...work, ...settle, ...cleanup].map((action) => {
    const words = Object.entries(action).map(([key, value]) =>
      key === "mode"
        ? (value as number).toString(8)
        : typeof value === "object"
          ? JSON.stringify(value)
          : value === true
            ? key
            : String(value),
    );
    return words.join(" ").replaceAll("/layers/", "").replaceAll(".qcow2", "").replaceAll('"', "");
  });
}

describe("a layer that nothing points at", () => {
  it("is left alone while a snapshot, an image or a volume points at it", () => {
    const state = pair("snapshot");
    addImage(state, "kept", ["D"]);
    expect(collect(state, facts())).toEqual([]);
  });

  it("is freed when nothing stands on it", () => {
    const state = pair("snapshot");
    addLayer(state, "D2", "K");
    delete state.layers.D;
    addLayer(state, "K", "P");
    expect(decided(state, facts())).toEqual({ kind: "free", layer: "D2" });
    expect(does(state, facts())).toEqual(["unlink D2"]);
  });

  it("is freed when it was the head of a volume that is gone", () => {
    const state = pair("head");
    state.volumes = {};
    expect(nextStep(collect(state, facts()))).toEqual({ kind: "free", layer: "K" });
  });

  it("is not unlinked but given back when its file was there before us", () => {
    const state = emptyState();
    addLayer(state, "D", null, { foreign: FOREIGN });
    expect(does(state, facts())).toEqual(["set-owner D 1000 1000", "set-mode D 644 ifThere"]);
  });

  it("is not freed while a guest has it open, whatever the record says", () => {
    const state = emptyState();
    addLayer(state, "D", null);
    const decision = decided(state, facts({ holders: running(["web9 vda", "X", "D"]) }));
    expect(decision).toMatchObject({ kind: "defer", by: ["instance web9 vda"] });
  });

  it("is kept, hidden, when two layers stand on it", () => {
    const state = pair("snapshot");
    addLayer(state, "L", "D");
    addSnapshot(state, "s2", ["L"]);
    expect(decided(state, facts())).toMatchObject({
      kind: "keep",
      because: "shared",
      by: ["snapshot s1", "instance web1 vda", "snapshot s2"],
    });
  });
});

describe("merging while nobody runs", () => {
  it("moves the lower layer's data up where that is less, and restores the mode", () => {
    const state = pair("snapshot");
    expect(does(state, facts({ bytes: { D: 1, K: 2 } }))).toEqual([
      "set-mode K 600",
      "relink K {path:D,format:qcow2}",
      "rebase K {path:P,format:qcow2}",
      "set-mode K 400",
      "redefine web1 [{device:vda,path:H,format:qcow2}]",
      "unlink D",
    ]);
  });

  it("moves up on a tie, since nothing becomes void", () => {
    expect(decided(pair("head"), facts())).toMatchObject({ kind: "merge", way: "up", live: null });
  });

  it("moves the upper layer's data down where that is less, and re-points all that stand on it before the old file goes", () => {
    const state = pair("snapshot");
    addLayer(state, "S", "K");
    addSnapshot(state, "s2", ["S"]);
    expect(does(state, facts({ bytes: { D: 2, K: 1 } }))).toEqual([
      "set-mode D 600",
      "set-mode K 600",
      "commit K qcow2 D",
      "relink H {path:D,format:qcow2}",
      "set-mode S 600",
      "relink S {path:D,format:qcow2}",
      "set-mode S 400",
      "set-mode D 400",
      "redefine web1 [{device:vda,path:H,format:qcow2}]",
      "unlink K",
    ]);
  });

  it("moves a head down and lets its domain name the new file, which stays writable", () => {
    const state = pair("head");
    expect(does(state, facts({ bytes: { D: 2, K: 1 } }))).toEqual([
      "set-mode D 600",
      "commit K qcow2 D",
      "set-mode D 600",
      "redefine web1 [{device:vda,path:D,format:qcow2}]",
      "unlink K",
    ]);
  });

  it("redefines every domain above, each with all of its disks there, and locks all that stand there", () => {
    const state = pair("snapshot");
    addLayer(state, "H2", "K");
    addLayer(state, "H3", "K");
    addLayer(state, "F", "K");
    addGuest(state, "web1", "H2", "vdb");
    addGuest(state, "db", "H3");
    addVolume(state, "vol-free", "F");
    const step = nextStep(collect(state, facts()));
    if (step === undefined) throw new Error("nothing to do");
    const effects = mergeEffects(state, step);
    expect(effects.locks).toEqual(["db", "vol-free", "web1"]);
    expect(effects.domainsToRedefine.map(({ uuid, disks }) => [uuid, disks.length])).toEqual([
      ["web1", 2],
      ["db", 1],
    ]);
  });
});

describe("merging under a running guest", () => {
  const onHead = running(["web1 vda", "K", "D", "P"]);
  const onMiddle = running(["web1 vda", "H", "K", "D", "P"]);

  it("pulls the layer into the guest's head", () => {
    expect(does(pair("head"), facts({ holders: onHead }))).toEqual([
      "block-pull web1 vda P",
      "redefine web1 [{device:vda,path:K,format:qcow2}]",
      "unlink D",
    ]);
  });

  it("pulls everything where the layer stands on nothing", () => {
    const state = pair("head");
    addLayer(state, "D", null);
    expect(does(state, facts({ holders: running(["web1 vda", "K", "D"]) }))[0]).toBe("block-pull web1 vda null");
  });

  it("commits and pivots only where that moves far less", () => {
    const way = (d: number, k: number) => decided(pair("head"), facts({ holders: onHead, bytes: { D: d, K: k } }));
    const small = PIVOT_FLOOR_BYTES / 4;
    expect(way(PIVOT_FACTOR * small + 1, small)).toMatchObject({ way: "down", head: true });
    expect(way(PIVOT_FACTOR * small, small)).toMatchObject({ way: "up" });
    expect(way(PIVOT_FLOOR_BYTES, 1)).toMatchObject({ way: "up" });
  });

  it("pivots by making the lower file writable first, and the old head goes only when nobody holds it", () => {
    const state = pair("head");
    const more = facts({ holders: onHead, bytes: { D: 40 * GiB, K: MiB } });
    expect(does(state, more)).toEqual([
      "set-mode D 600",
      "block-commit-active web1 vda D",
      "set-mode D 600",
      "redefine web1 [{device:vda,path:D,format:qcow2}]",
      "unlink K",
    ]);
    const step = nextStep(collect(state, more));
    expect(step && mergeEffects(state, step).unheld).toEqual(["/layers/K.qcow2"]);
  });

  it("commits a middle layer down whatever it moves, since libvirt cannot pull into one", () => {
    expect(does(pair("snapshot"), facts({ holders: onMiddle, bytes: { D: 1, K: 2 } }))).toEqual([
      "set-mode D 600",
      "block-commit web1 vda K D",
      "set-mode D 400",
      "redefine web1 [{device:vda,path:H,format:qcow2}]",
      "unlink K",
    ]);
  });

  it("re-points stopped siblings itself, and opens a frozen layer whose header QEMU must write", () => {
    const state = pair("snapshot");
    addLayer(state, "M", "K");
    addSnapshot(state, "s2", ["M"]);
    addLayer(state, "H", "M");
    addGuest(state, "web1", "H");
    addLayer(state, "S", "K");
    addGuest(state, "db", "S");
    expect(does(state, facts({ holders: running(["web1 vda", "H", "M", "K", "D", "P"]) }))).toEqual([
      "set-mode D 600",
      "set-mode M 600",
      "block-commit web1 vda K D",
      "relink S {path:D,format:qcow2}",
      "set-mode M 400",
      "set-mode D 400",
      "redefine db [{device:vda,path:S,format:qcow2}]",
      "redefine web1 [{device:vda,path:H,format:qcow2}]",
      "unlink K",
    ]);
  });

  it("waits while two guests run on it, and names both", () => {
    const state = pair("snapshot");
    addLayer(state, "S", "K");
    addGuest(state, "db", "S");
    const holders = running(["web1 vda", "H", "K", "D", "P"], ["db vda", "S", "K", "D", "P"]);
    expect(decided(state, facts({ holders }))).toMatchObject({
      kind: "defer",
      reason: "two or more running disks use it",
      by: ["instance web1 vda", "instance db vda"],
    });
  });

  it("waits while one guest runs on it with two disks", () => {
    const state = pair("snapshot");
    addLayer(state, "S", "K");
    addGuest(state, "web1", "S", "vdb");
    const holders = running(["web1 vda", "H", "K", "D", "P"], ["web1 vdb", "S", "K", "D", "P"]);
    expect(decided(state, facts({ holders })).kind).toBe("defer");
  });

  it("comes home where it was put away to another folder, however much there is to move", () => {
    const away = { file: "/mnt/archive/D.qcow2" };
    const own = new Map([["D", 100 * GiB]]);
    const big = (more: Parameters<typeof facts>[0] = {}) => ({
      ...facts(more),
      ownBytes: (id: string) => own.get(id) ?? 0,
    });
    expect(decided(pair("head", away), big())).toMatchObject({ kind: "merge", way: "up" });
    expect(decided(pair("snapshot", away), big())).toMatchObject({ kind: "merge", way: "up" });
    expect(decided(pair("head", away), big({ holders: onHead }))).toMatchObject({ kind: "merge", way: "up" });
    const holders = running(["web1 vda", "H", "K", "D", "P"]);
    const reason = "a running guest cannot take in what lies elsewhere";
    expect(decided(pair("snapshot", away), big({ holders }))).toMatchObject({ kind: "defer", reason });
  });

  it("waits while a block job runs, and says so", () => {
    const holders = new Map([
      ["D", [{ instance: "web1", device: "vda", role: "backing" as const, blocked: "a block job is under way" }]],
    ]);
    expect(decided(pair("head"), facts({ holders }))).toMatchObject({
      kind: "defer",
      reason: "a block job is under way",
      by: ["instance web1 vda"],
    });
  });

  it.each([
    ["the layer but not the only one on it", running(["web1 vda", "X", "D", "P"])],
    ["the upper but not the lower", running(["web1 vda", "K", "P"])],
    ["the head as somebody else's disk", running(["db vda", "K", "D", "P"])],
    ["the head as if it lay below another", running(["web1 vda", "X", "K", "D", "P"])],
  ])("waits where QEMU has open %s: its chain is not the recorded one", (_, holders) => {
    const reason = "what QEMU has open is not what is recorded";
    expect(decided(pair("head"), facts({ holders }))).toMatchObject({ kind: "defer", reason });
  });
});

describe("a file that was there before us", () => {
  it("becomes the guest's disk again: its layer is only ever merged down into", () => {
    const state = pair("head", { foreign: FOREIGN, format: "raw", file: "/vm/web1.img" });
    const more = facts({ bytes: { D: 1, K: 40 * GiB } });
    expect(does(state, more)).toEqual([
      "set-mode /vm/web1.img 644",
      "commit K qcow2 /vm/web1.img",
      "set-mode /vm/web1.img 644",
      "redefine web1 [{device:vda,path:/vm/web1.img,format:raw}]",
      "unlink K",
    ]);
    const step = nextStep(collect(state, more));
    if (step) mergeEffects(state, step).after(state);
    expect(state.layers.K).toMatchObject({ file: "/vm/web1.img", format: "raw", foreign: FOREIGN, parent: null });
  });

  it("is pivoted back to under a running guest too", () => {
    const state = pair("head", { foreign: FOREIGN });
    const more = facts({ holders: running(["web1 vda", "K", "D"]) });
    expect(does(state, more)).toContain("block-commit-active web1 vda D");
  });

  it("is not written while two layers stand on it", () => {
    const state = pair("head", { foreign: FOREIGN });
    addLayer(state, "L", "D");
    addSnapshot(state, "s1", ["L"]);
    expect(decided(state, facts())).toMatchObject({ kind: "keep", because: "shared" });
  });

  it("is kept where it is a device too small for the grown disk", () => {
    const device = (format: "raw" | "qcow2", bytes: number) =>
      decided(pair("head", { foreign: FOREIGN, format, sizeBytes: 5 * GiB }), facts({ deviceBytes: () => bytes }));
    expect(device("raw", 10 * GiB - 1)).toMatchObject({ kind: "keep", because: "size" });
    expect(device("raw", 10 * GiB)).toMatchObject({ kind: "merge", way: "down" });
    expect(device("qcow2", 10 * GiB)).toMatchObject({ kind: "keep", because: "size" });
    expect(device("qcow2", 11 * GiB)).toMatchObject({ kind: "merge", way: "down" });
  });

  it("is a template where it was found below a disk, and never written", () => {
    const state = pair("head", { foreign: { ...FOREIGN, template: "held" } });
    expect(decided(state, facts())).toMatchObject({ kind: "keep", because: "foreign" });
  });

  it("finds what it stands on where it was: a layer below is only ever merged up", () => {
    const bytes = { D: 40 * GiB, K: 1 };
    const state = pair("snapshot");
    expect(decided(state, facts({ bytes }))).toMatchObject({ kind: "merge", way: "down" });
    addLayer(state, "F", "K", { foreign: FOREIGN });
    addGuest(state, "hand", "F");
    expect(decided(state, facts({ bytes }))).toMatchObject({ kind: "merge", way: "up" });
    const live = facts({ bytes, holders: running(["web1 vda", "H", "K", "D"]) });
    expect(decided(state, live)).toMatchObject({ kind: "defer" });
  });

  it("is remembered with nothing pointing at it, as long as it stands on a layer of ours", () => {
    const state = emptyState();
    addLayer(state, "D", null);
    addLayer(state, "F", "D", { foreign: FOREIGN, frozen: false });
    expect(nextStep(collect(state, facts()))).toBeUndefined();
  });

  it("is neither merged nor freed while a domain names it that is not in the graph", () => {
    const by = ["instance clone vda"];
    const outsiders = (layer: string) => (layer === "D" ? by : []);
    const wanted = { kind: "keep", because: "named", by };
    expect(decided(pair("head"), facts({ outsiders }))).toMatchObject(wanted);
    expect(decided(pair("head", { foreign: FOREIGN }), facts({ outsiders }))).toMatchObject(wanted);
    const alone = emptyState();
    addLayer(alone, "D", null);
    expect(decided(alone, facts({ outsiders }))).toMatchObject(wanted);
  });

  it("is never rewritten with what lies below it", () => {
    const state = pair("head");
    addLayer(state, "K", "D", { foreign: FOREIGN, frozen: false });
    expect(decided(state, facts())).toMatchObject({ kind: "keep", because: "foreign" });
  });
});

describe("layers that do not fit", () => {
  it("are kept where one is encrypted otherwise than the other", () => {
    expect(decided(pair("head", { secret: "a-secret" }), facts())).toMatchObject({
      kind: "keep",
      because: "encryption",
    });
  });

  it("are kept where the upper is smaller: merging would change what a disk's size is", () => {
    expect(decided(pair("head", { sizeBytes: 11 * GiB }), facts())).toMatchObject({ kind: "keep", because: "size" });
  });

  it("are kept where the record is damaged", () => {
    expect(decided(pair("head", { parent: "gone" }), facts())).toMatchObject({ because: "damaged" });
    expect(decided(pair("head", { frozen: false }), facts())).toMatchObject({ because: "damaged" });
    expect(decided(pair("head", { file: "/layers/K.qcow2" }), facts())).toMatchObject({ because: "damaged" });
  });

  it.each(["P", "D", "K", "H"])("wait while another operation is at work on %s of their chain", (id) => {
    const state = pair("snapshot");
    const layer = state.layers[id];
    if (layer) layer.busy = "op-1";
    expect(decided(state, facts())).toMatchObject({ kind: "defer", reason: "op-1 is at work on this chain" });
  });
});

describe("the state after a decision", () => {
  it("is refused where a pointer has come since", () => {
    const state = pair("head");
    const step = nextStep(collect(state, facts()));
    if (step === undefined) throw new Error("nothing to do");
    const effects = mergeEffects(state, step);
    addSnapshot(state, "late", ["D"]);
    const before = structuredClone(state);
    expect(() => effects.after(state)).toThrow("layer D: was to be collected, but snapshot late points at it");
    expect(state).toEqual(before);
  });

  it("is the same when it is made twice", () => {
    const state = pair("head");
    const step = nextStep(collect(state, facts()));
    if (step === undefined) throw new Error("nothing to do");
    const effects = mergeEffects(state, step);
    effects.after(state);
    const once = structuredClone(state);
    effects.after(state);
    expect(state).toEqual(once);
    expect(state.layers.K).toMatchObject({ parent: "P", file: "/layers/K.qcow2" });
  });

  it("has done the frees first, then the merges that move least", () => {
    const state = pair("head");
    addLayer(state, "X", "P");
    addLayer(state, "E", null);
    addLayer(state, "E2", "E");
    addSnapshot(state, "s", ["E2"]);
    const order = collect(state, facts({ bytes: { E: 1 } })).map(({ kind, layer }) => `${kind} ${layer}`);
    expect(order).toEqual(["free X", "merge E", "merge D"]);
  });
});

describe("another user's layer", () => {
  const holders = running(["web1", "K", "D"]);

  it("is stood on where it lies", () => {
    for (const more of [facts(), facts({ holders }), facts({ holders, pulledIn: "another" })])
      expect(decided(onAnothers(), more)).toMatchObject({ kind: "keep", because: "borrowed" });
  });

  it("is pulled in, where that is asked for, by a running guest: no program of ours reads it", () => {
    const asked = decided(onAnothers(), facts({ holders, pulledIn: "D" }));
    expect(asked).toMatchObject({ kind: "merge", way: "up", live: { instance: "web1", device: "vda" } });
    expect(decided(onAnothers(), facts({ pulledIn: "D" }))).toMatchObject({ kind: "defer" });
  });
});
