import { describe, expect, it } from "vitest";
import { findings } from "../../../src/core/graph/invariants.ts";
import type { State } from "../../../src/core/model/state.ts";
import { addGuest, addImage, addLayer, addSnapshot, addVolume, emptyState, FOREIGN, GiB } from "./build.ts";

function sound(): State {
  const state = emptyState();
  addLayer(state, "base", null, { format: "raw", foreign: FOREIGN, file: "/vm/disk.img" });
  addLayer(state, "S", "base");
  addLayer(state, "H", "S");
  addGuest(state, "web1", "H");
  addSnapshot(state, "s1", ["S"], { instance: "web1" });
  addImage(state, "golden", ["base"]);
  return state;
}

const breaches: [string, (state: State) => void, string[]][] = [
  ["a missing parent", (s) => void addLayer(s, "S", "gone"), ["layer S stands on gone, which does not exist"]],
  [
    "a ring, each of it named once",
    (s) => {
      delete s.images.golden;
      addLayer(s, "base", "S");
    },
    ["layer base stands on itself", "layer S stands on itself"],
  ],
  [
    "a layer smaller than what it stands on",
    (s) => void addLayer(s, "S", "base", { sizeBytes: GiB }),
    ["layer S has 1073741824 bytes, less than the 10737418240 of base, on which it stands"],
  ],
  ["a frozen head", (s) => void addLayer(s, "H", "S"), ["the head of volume vol-web1-vda, layer H, is frozen"]],
  [
    "a head that another layer stands on",
    (s) => {
      addLayer(s, "X", "H");
      addVolume(s, "vol-x", "X");
    },
    ["layer X stands on H, which is not frozen"],
  ],
  [
    "a head of two volumes",
    (s) => void addVolume(s, "vol-x", "H"),
    ["layer H is the head of 2 volumes (vol-web1-vda, vol-x)"],
  ],
  [
    "a snapshot of nothing",
    (s) => addSnapshot(s, "s2", ["gone"]),
    ["snapshot s2 points at layer gone, which does not exist"],
  ],
  [
    "a volume of nothing",
    (s) => void addVolume(s, "vol-x", "gone"),
    ["volume vol-x points at layer gone, which does not exist"],
  ],
  ["an image of a head", (s) => addImage(s, "i", ["H"]), ["image i points at layer H, which is not frozen"]],
  [
    "two layers in one file",
    (s) => void addLayer(s, "S", "base", { file: "/layers/H.qcow2" }),
    ["layer S and layer H have the same file /layers/H.qcow2"],
  ],
  [
    "a raw layer of ours",
    (s) => void addLayer(s, "R", null, { format: "raw" }),
    ["layer R is raw, and only files that were there before us are"],
  ],
  [
    "a raw layer on another",
    (s) => void addLayer(s, "R", "base", { format: "raw", foreign: FOREIGN }),
    ["layer R is raw and cannot stand on another"],
  ],
  [
    "plaintext on an encrypted layer",
    (s) => {
      addLayer(s, "E", null, { secret: "uuid" });
      addLayer(s, "P", "E");
    },
    ["layer P is not encrypted, and E, on which it stands, is"],
  ],
  [
    "a path that depends on where one stands",
    (s) => void addLayer(s, "R", null, { file: "r.qcow2" }),
    ["layer R has no absolute path (r.qcow2)"],
  ],
  [
    "a layer under another's key",
    (s) => {
      s.layers.key = { ...addLayer(s, "R", null), file: "/other" };
      delete s.layers.R;
    },
    ["layer key is recorded with the id R"],
  ],
  [
    "a volume of a guest that is not there",
    (s) => {
      addLayer(s, "X", "S");
      addVolume(s, "vol-x", "X", "nobody", "vda");
    },
    ["volume vol-x is attached to instance nobody, which does not exist"],
  ],
  [
    "a volume attached nowhere",
    (s) => {
      addLayer(s, "X", "S");
      addVolume(s, "vol-x", "X", "web1");
    },
    ["volume vol-x is attached, but not as a device"],
  ],
  [
    "two volumes as one disk",
    (s) => {
      addLayer(s, "X", "S");
      addVolume(s, "vol-x", "X", "web1", "vda");
    },
    ["instance web1 vda is volume vol-web1-vda and volume vol-x at once"],
  ],
];

describe("the record of layers", () => {
  it("is sound as the verbs leave it", () => {
    expect(findings(sound())).toEqual([]);
    expect(findings(emptyState())).toEqual([]);
  });

  it("may hold a head whose volume is gone: it waits to be collected", () => {
    const state = sound();
    state.volumes = {};
    expect(findings(state)).toEqual([]);
  });

  it.each(breaches)("is found out with %s", (_, breach, expected) => {
    const state = sound();
    breach(state);
    expect(findings(state)).toEqual(expected);
  });
});
