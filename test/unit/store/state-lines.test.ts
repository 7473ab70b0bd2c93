/** The text of a state, what of it is read, and what of it a change touches. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deepCopy } from "../../../src/core/model/deep-copy.ts";
import { passingRows } from "../../../src/core/model/passing.ts";
import type { State } from "../../../src/core/model/state.ts";
import { emptyState } from "../../../src/store/empty-state.ts";
import { openStore, type Store } from "../../../src/store/index.ts";
import { changeOf } from "../../../src/store/state-change.ts";
import { stateBytes, stateText, tableIn, trustedState } from "../../../src/store/state-lines.ts";
import { frozen, parseState, validState } from "../../../src/store/state-text.ts";
import { changed } from "../../../src/store/things.ts";

/** Names that are no names of members, and text that looks like the file's own. */
const ODD = ["__proto__", "constructor", 'a": {', "line\nbreak\n }", "ü\u2028\ud83d\ude00", ""];

function withKeypairs(names: readonly string[]): State {
  const state = validState(emptyState(), "here");
  for (const name of names)
    state.keypairs[name] = { name, type: "rsa", publicKey: name, fingerprint: name, owner: name, createdAt: "now" };
  for (const name of names) state.targets[name] = name;
  (state as Record<string, unknown>).note = { of: "a later version", "}": ["\n}"] };
  return frozen(state);
}

describe("the text of a state", () => {
  it("has a line for each row, and is read as it was, whether it is trusted or not", () => {
    const state = withKeypairs(ODD);
    const text = stateText(state);
    expect(text.split("\n").filter((line) => line.startsWith("  "))).toHaveLength(ODD.length * 2 + 5);
    for (const read of [parseState(text, "here"), trustedState(text)]) {
      expect(read).toEqual(state);
      expect(Object.keys(read)).toEqual(Object.keys(state));
      expect(Object.keys(read.keypairs)).toEqual(ODD);
      expect(stateText(read)).toBe(text);
      expect(read.flavors.constructor).toBeUndefined();
    }
    expect(stateText(trustedState(stateText(withKeypairs([]))))).toBe(stateText(withKeypairs([])));
  });

  it("gives its rows one after the other, whether the table was asked for or not", () => {
    const state = withKeypairs(ODD);
    const read = trustedState(stateText(state));
    for (const one of [state, read]) {
      expect([...passingRows(one, "keypairs")]).toEqual(Object.values(state.keypairs));
      expect([...passingRows(one, "targets")]).toEqual(ODD);
      expect([...passingRows(one, "layers")]).toEqual([]);
    }
    const [kept] = Object.values(read.keypairs);
    expect([...passingRows(read, "keypairs")][0]).toBe(kept);
    const changed = changeOf(trustedState(stateText(state)), "here", (draft) => {
      delete draft.keypairs[ODD[0] as string];
    });
    expect([...passingRows(changed.state, "keypairs")]).toEqual(Object.values(state.keypairs).slice(1));
  });

  it.each([
    ["ASCII", "a"],
    ["a little that is not", "\u00fc"],
    ["much that is not", "\u00fc".repeat(40_000)],
    ["more bytes yet", "\u6c34\u{1f4a7}".repeat(40_000)],
  ])("is the same in bytes, with %s in it", (_, name) => {
    const state = withKeypairs([name, "b"]);
    expect(stateBytes(state).toString("utf8")).toBe(stateText(state));
  });

  it("that is trusted gives what nobody can change", () => {
    const state = trustedState(stateText(withKeypairs(["a"])));
    expect(() => Object.assign(state.keypairs.a as object, { name: "b" })).toThrow(TypeError);
    expect(() => Object.assign(state.keypairs, { b: null })).toThrow(TypeError);
    expect(() => Object.assign(state, { storeId: "b" })).toThrow(TypeError);
  });
});

describe("a change", () => {
  it("leaves what it does not touch the same, and the state of before as it was", () => {
    const before = withKeypairs(["a", "b"]);
    const text = stateText(before);
    const { state, result } = changeOf(before, "here", (draft) => {
      const { a } = draft.keypairs;
      if (a !== undefined) a.owner = "other";
      return { rows: Object.values(draft.keypairs), one: a, count: 1 };
    });
    expect(stateText(before)).toBe(text);
    expect(state.keypairs.b).toBe(before.keypairs.b);
    expect(state.flavors).toBe(before.flavors);
    expect(state.keypairs.a).toEqual({ ...before.keypairs.a, owner: "other" });
    expect(Object.isFrozen(state) && Object.isFrozen(state.keypairs) && Object.isFrozen(state.keypairs.a)).toBe(true);
    expect(result).toEqual({ rows: Object.values(state.keypairs), one: state.keypairs.a, count: 1 });
    expect(stateText(state)).toBe(stateText(parseState(stateText(state), "here")));
  });

  it("of nothing gives the same state", () => {
    const before = withKeypairs(["a"]);
    expect(changeOf(before, "here", (draft) => Object.keys(draft.keypairs))).toEqual({ result: ["a"], state: before });
    expect(changeOf(before, "here", () => 7).state).toBe(before);
  });

  it("keeps no value of the caller's: what he does to it later changes nothing", () => {
    const mine = { name: "m", vcpus: 1, ramBytes: 1, diskBytes: 1, createdAt: "now" };
    const { state } = changeOf(withKeypairs([]), "here", (draft) => {
      draft.flavors.m = mine;
    });
    mine.name = "other";
    expect(state.flavors.m?.name).toBe("m");
  });

  it.each([
    ["row", (draft: State) => void Object.assign(draft.flavors, { bad: { name: 7 } }), "flavors.bad.name: "],
    ["missing row", (draft: State) => void Object.assign(draft.flavors, { bad: undefined }), "flavors.bad."],
    ["table", (draft: State) => void Object.assign(draft, { layers: 7 }), "layers: "],
    ["number", (draft: State) => void Object.assign(draft, { writes: -1 }), "writes: "],
    ["size", (draft: State) => void Object.assign(draft.flavors.tiny ?? {}, { ramBytes: Number.NaN }), "flavors.tiny."],
  ])("that would make a damaged %s is refused, with the place of it", (_, change, where) => {
    expect(() => changeOf(withKeypairs([]), "state.json", change)).toThrow(
      `state.json: a change that would damage it was refused: ${where}`,
    );
  });
});

describe("the state after many changes", () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");

  /** The last of a row of states, and what the tables of those before it were known by. */
  function changedOften(first: State): { last: State; tables: WeakRef<object>[] } {
    const tables: WeakRef<object>[] = [];
    let last = first;
    for (const name of ["c", "d", "e"]) {
      tables.push(new WeakRef(tableIn(last, "keypairs")));
      last = changeOf(last, "here", (draft) => {
        draft.keypairs[name] = { ...withKeypairs(["k"]).keypairs.k, name } as never;
      }).state;
    }
    return { last, tables };
  }

  it.each([
    ["by their text", () => trustedState(stateText(withKeypairs(["a", "b"])))],
    ["as they are", () => withKeypairs(["a", "b"])],
  ])("keeps nothing of those before it, where its tables are known %s", async (_, first) => {
    const { last, tables } = changedOften(first());
    await new Promise(setImmediate); // what a WeakRef has given stays until then
    collectGarbage();
    expect(tables.map((table) => table.deref())).toEqual([undefined, undefined, undefined]);
    expect(Object.keys(last.keypairs)).toEqual(["a", "b", "c", "d", "e"]);
  });
});

describe("the text after changes", () => {
  const names = fc.constantFrom(...ODD, "a", "b", "7", "10", "aa");
  const edit = fc.record({ do: fc.constantFrom("set", "drop", "again", "other", "clear"), name: names });

  it("is the one that is made anew, and the records are those of the rows that differ", () => {
    fc.assert(
      fc.property(fc.uniqueArray(names), fc.array(fc.array(edit, { maxLength: 4 }), { maxLength: 4 }), (first, all) => {
        let state = trustedState(stateText(withKeypairs(first)));
        for (const [round, edits] of all.entries()) {
          const before = state;
          state = changeOf(before, "here", ({ keypairs }) => {
            for (const { do: what, name } of edits) {
              const old = keypairs[name];
              if (what === "clear") for (const key of Object.keys(keypairs)) delete keypairs[key];
              if (what === "set") keypairs[name] = { ...withKeypairs(["k"]).keypairs.k, name } as never;
              if (what === "other" && old !== undefined) old.owner = `${round}`;
              if (what === "drop" || what === "again") delete keypairs[name];
              if (what === "again" && old !== undefined) keypairs[name] = old;
            }
          }).state;
          const anew = frozen(deepCopy(state));
          expect(stateText(state)).toBe(stateText(anew));
          expect(trustedState(stateText(state))).toEqual(state);
          const { texts, gone, ...rest } = changed(before, state);
          const slow = changed(before, anew);
          expect({ texts: new Set(texts), gone: new Set(gone), ...rest }).toEqual({
            ...slow,
            texts: new Set(slow.texts),
            gone: new Set(slow.gone),
          });
        }
      }),
    );
  });
});

describe("a large state", () => {
  let home: string;
  let store: Store;
  beforeEach(async () => {
    home = join(mkdtempSync(join(tmpdir(), "estrato-lines-")), "home");
    store = openStore({ home, systemMode: false });
    const long = "x".repeat(50_000);
    await store.update((draft) => {
      for (const name of ["a", "b", "c", "d", "e", "f"])
        draft.keypairs[name] = { ...withKeypairs(["k"]).keypairs.k, name, publicKey: long } as never;
    });
  });
  afterEach(() => rmSync(join(home, ".."), { recursive: true }));
  const again = () => openStore({ home, systemMode: false });
  const header = () => JSON.parse(readFileSync(join(home, "things", "store.json"), "utf8"));

  it("that we wrote is read without being validated, and one that somebody touched is validated", async () => {
    expect(Object.getOwnPropertyDescriptor(await again().read(), "keypairs")?.get).toBeTypeOf("function");
    const file = join(home, "state.json");
    const text = readFileSync(file, "utf8");
    writeFileSync(file, text.replace('"name":"c"', '"name":"z"'));
    expect((await again().read()).keypairs.c?.name).toBe("z");
    writeFileSync(file, text.replace('"name":"c"', '"name":7'));
    await expect(again().read()).rejects.toMatchObject({ code: "integrity" });
    await expect(again().update(() => 7)).rejects.toMatchObject({ code: "integrity" });
  });

  it("is validated where nobody says that it is ours, and of a version that says something else", async () => {
    const { sum, ...rest } = header();
    expect(sum).toMatch(/^[0-9a-f]{64}$/);
    for (const said of [rest, { ...rest, sum: "0".repeat(64) }, { ...rest, sum, version: rest.version - 1 }]) {
      writeFileSync(join(home, "things", "store.json"), JSON.stringify(said));
      const state = await again().read();
      expect(Object.getOwnPropertyDescriptor(state, "keypairs")?.get).toBeUndefined();
      expect(Object.keys(state.keypairs)).toHaveLength(6);
    }
  });

  it("grows and shrinks by changes in several processes", async () => {
    const other = again();
    await other.update((draft) => void delete draft.keypairs.b);
    await store.update((draft) => {
      draft.storeId = "s";
    });
    for (const one of [store, other, again()])
      expect(await one.read()).toMatchObject({
        storeId: "s",
        keypairs: { a: { name: "a" }, f: { name: "f" } },
        writes: 3,
      });
    expect(Object.keys((await again().read()).keypairs)).toEqual(["a", "c", "d", "e", "f"]);
  });
});
