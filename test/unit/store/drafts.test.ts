/** A change is made on a draft of a state: what it sees meanwhile, what becomes of it, and what is read for it. */
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { deepCopy } from "../../../src/core/model/deep-copy.ts";
import { asRead, changeRows, withChange } from "../../../src/core/model/drafts.ts";
import { keysOf, passingRows, rowsNaming } from "../../../src/core/model/passing.ts";
import type { Keypair, State } from "../../../src/core/model/state.ts";
import { emptyState } from "../../../src/store/empty-state.ts";
import { rowChanges } from "../../../src/store/row-changes.ts";
import { changeOf } from "../../../src/store/state-change.ts";
import { stateText, trustedState } from "../../../src/store/state-lines.ts";
import { frozen, validState } from "../../../src/store/state-text.ts";
import { keypair } from "./samples.ts";

type Keypairs = Record<string, Keypair>;

function withKeypairs(names: readonly string[]): State {
  const state = validState(emptyState(), "here");
  for (const name of names) state.keypairs[name] = keypair(name);
  for (const name of names) state.targets[name] = name;
  return frozen(state);
}

/** As it is read where nobody knows its text, and as one of which only the text is known. */
const KINDS = [
  ["whole", (names: readonly string[]) => withKeypairs(names)],
  ["read as it is needed", (names: readonly string[]) => trustedState(stateText(withKeypairs(names)))],
] as const;

/** The same without any draft: a table that is nobody else's. */
function plainCopy(state: State): Keypairs {
  return deepCopy(state.keypairs);
}

const NAMES = ["a", "b", "c", "d", "e", "f", "7", "10", "__proto__", "constructor", 'a": {', ""];
const name = fc.constantFrom(...NAMES);
const step = fc.record({
  do: fc.constantFrom("set", "change", "same", "drop", "again", "read", "walk", "clear", "rows", "replace"),
  name,
  to: fc.constantFrom("x", "y"),
});
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** Does the same to a draft of a table and to a plain one; returns what it saw of it. */
function play(table: Keypairs, { do: what, name, to }: Step): unknown {
  const row = table[name];
  if (what === "set") table[name] = { ...keypair(name), owner: to };
  if (what === "change" && row !== undefined) row.owner = to;
  if (what === "same" && row !== undefined) table[name] = { ...row };
  if (what === "drop") return delete table[name];
  if (what === "again" && row !== undefined) {
    delete table[name];
    table[name] = row;
  }
  if (what === "read") return [row, name in table, Object.hasOwn(table, name)];
  if (what === "walk") {
    const keys: string[] = [];
    for (const key in table) keys.push(key);
    return [keys, Object.entries(table)];
  }
  if (what === "clear") for (const key of Object.keys(table)) delete table[key];
  if (what === "rows")
    changeRows(
      table,
      ({ owner }) => owner !== to,
      (one) => {
        one.owner = to;
      },
    );
  return Object.keys(table);
}

describe.each(KINDS)("a draft of a state that is %s", (_, made) => {
  it("is to a change what a copy of all of it would be", () => {
    fc.assert(
      fc.property(fc.uniqueArray(name), fc.array(fc.array(step, { maxLength: 6 }), { maxLength: 4 }), (first, all) => {
        let state = made(first);
        for (const steps of all) {
          const before = state;
          const text = stateText(before);
          const plain = plainCopy(before);
          state = changeOf(before, "here", (draft) => {
            for (const one of steps) {
              if (one.do === "replace") draft.keypairs = plainCopy(asRead(draft));
              expect(deepCopy(play(draft.keypairs, one))).toEqual(deepCopy(play(plain, one)));
              expect(asRead(draft.keypairs)).toEqual(plain);
              expect(Object.keys(asRead(draft).keypairs)).toEqual(Object.keys(plain));
              expect(new Set(keysOf(draft, "keypairs"))).toEqual(new Set(Object.keys(plain)));
              expect(Array.from(passingRows(draft, "keypairs"), ({ name }) => name).sort()).toEqual(
                Object.values(plain)
                  .map((row) => row.name)
                  .sort(),
              );
              const named = Object.values(plain).filter((row) => row.owner === "x");
              expect(rowsNaming(draft, "keypairs", ["x"])).toEqual(expect.arrayContaining(named));
              expect(draft.keypairs[one.name]).toEqual(plain[one.name]);
            }
          }).state;

          expect(stateText(before)).toBe(text);
          const differs = (key: string) => JSON.stringify(plain[key]) !== JSON.stringify(before.keypairs[key]);
          const set = Object.keys(plain).filter(differs);
          const gone = Object.keys(before.keypairs).filter((key) => plain[key] === undefined);
          const changes = rowChanges(before, state, "keypairs");
          expect({ set: new Set(changes.set), gone: new Set(changes.gone) }).toEqual({
            set: new Set(set),
            gone: new Set(gone),
          });
          if (set.length + gone.length === 0) {
            expect(state).toBe(before);
            continue;
          }
          expect(stateText(state)).toBe(stateText({ ...before, keypairs: plain }));
          expect(state.keypairs).toEqual(plain);
          expect(Object.keys(state.keypairs)).toEqual(Object.keys(plain));
          for (const [key, row] of Object.entries(state.keypairs)) {
            expect(Object.isFrozen(row)).toBe(true);
            if (!differs(key)) expect(row).toBe(before.keypairs[key]);
          }
          expect(state.targets).toBe(before.targets);
        }
      }),
    );
  });

  it("leaves all as it was where the change throws, or is refused", () => {
    const before = made(["a", "b"]);
    const text = stateText(before);
    const fails = (change: (draft: State) => void) => {
      expect(() => changeOf(before, "here", change)).toThrow();
      expect(stateText(before)).toBe(text);
      expect(before.keypairs).toEqual(withKeypairs(["a", "b"]).keypairs);
    };
    fails(({ keypairs }) => {
      if (keypairs.a !== undefined) keypairs.a.owner = "other";
      delete keypairs.b;
      throw new Error("on second thoughts");
    });
    fails(({ keypairs }) => void Object.assign(keypairs.a ?? {}, { owner: 7 }));
    fails((draft) => Reflect.deleteProperty(draft, "keypairs"));
    fails(({ keypairs }) => void Object.defineProperty(keypairs, "c", { value: keypair("c") }));
  });

  it("cannot be changed any more once the change is over", () => {
    let kept: State | null = null;
    let row: Keypair | undefined;
    const { state } = changeOf(made(["a"]), "here", (draft) => {
      kept = draft;
      row = draft.keypairs.a;
      draft.storeId = "s";
    });
    const late = kept as unknown as State;
    expect(() => late.keypairs.a).toThrow(TypeError);
    expect(() => Object.assign(late, { storeId: "t" })).toThrow(TypeError);
    expect(() => Object.assign(row as Keypair, { owner: "other" })).toThrow(TypeError);
    expect(state.keypairs.a?.owner).toBe("root");
  });

  it("gives a result that nobody else has", () => {
    const before = made(["a"]);
    const { result, state } = changeOf(before, "here", (draft) => ({
      table: draft.keypairs,
      row: draft.keypairs.a,
      rows: Object.values(draft.keypairs),
    }));
    expect(state).toBe(before);
    expect(result).toEqual({
      table: before.keypairs,
      row: before.keypairs.a,
      rows: [before.keypairs.a],
    });
    if (result.row !== undefined) result.row.owner = "other";
    expect(before.keypairs.a?.owner).toBe("root");
  });
});

describe("a change on paper", () => {
  it.each(KINDS)("gives a state of its own, of one that is %s", (_, made) => {
    const before = made(["a", "b"]);
    const then = withChange(before, ({ keypairs }) => {
      if (keypairs.a !== undefined) keypairs.a.owner = "other";
      keypairs.c = keypair("c");
      delete keypairs.b;
    });
    expect(then.keypairs).toEqual({ a: { ...keypair("a"), owner: "other" }, c: keypair("c") });
    expect(Array.from(passingRows(then, "keypairs"), ({ name }) => name)).toEqual(["a", "c"]);
    expect(then.targets).toBe(before.targets);
    expect(before.keypairs).toEqual(withKeypairs(["a", "b"]).keypairs);
    expect(withChange(before, ({ keypairs }) => void Object.values(keypairs))).toBe(before);
  });

  it("of a draft leaves that as it is, and sees what was done to it", () => {
    changeOf(withKeypairs(["a"]), "here", (draft) => {
      draft.keypairs.b = keypair("b");
      const then = withChange(draft, ({ keypairs }) => void delete keypairs.a);
      expect(Object.keys(then.keypairs)).toEqual(["b"]);
      expect(Object.keys(draft.keypairs)).toEqual(["a", "b"]);
    });
  });
});

describe("of a table that nobody has read", () => {
  afterEach(() => vi.restoreAllMocks());

  it("a change reads the rows alone that it asks for, and so does who asks for a few afterwards", () => {
    const names = Array.from({ length: 30 }, (_, index) => `key${index}`);
    const before = trustedState(stateText(withKeypairs(names)));
    const parse = vi.spyOn(JSON, "parse");
    const { state } = changeOf(before, "here", ({ keypairs }) => {
      if (keypairs.key7 !== undefined) keypairs.key7.owner = "other";
      delete keypairs.key8;
      keypairs.fresh = keypair("fresh");
    });
    expect(state.keypairs.key7?.owner).toBe("other");
    expect(state.keypairs.key8).toBeUndefined();
    expect(state.keypairs.key9).toEqual(keypair("key9"));
    expect(state.keypairs.fresh).toBe(state.keypairs.fresh);
    expect(rowsNaming(state, "keypairs", ["other", "none"]).map(({ name }) => name)).toEqual(["key7"]);
    expect([...keysOf(state, "keypairs")]).toHaveLength(30);
    expect(parse.mock.calls.filter(([text]) => text.includes("\n"))).toEqual([]);
    expect(parse.mock.calls.length).toBeLessThan(12);
  });

  it("each row is the same for whoever asks, before and after all of them were read", () => {
    const state = trustedState(stateText(withKeypairs(NAMES)));
    const alone = NAMES.map((one) => state.keypairs[one]);
    expect(alone).toEqual(NAMES.map((one) => keypair(one)));
    expect(NAMES.map((one) => state.keypairs[one])).toEqual(alone);
    for (const [index, one] of NAMES.entries()) {
      expect(state.keypairs[one]).toBe(alone[index]);
      expect(state.keypairs[one]).toBe(alone[index]);
    }
    expect(state.keypairs.toString).toBeUndefined();
  });

  it("is as any other for who goes through it, and for who asks what is in it", () => {
    const state = trustedState(stateText(withKeypairs(NAMES)));
    const { keypairs } = state;
    const first = NAMES[0] ?? "";
    expect([first in keypairs, "none" in keypairs, Object.hasOwn(keypairs, "none")]).toEqual([true, false, false]);
    const names = Object.keys(withKeypairs(NAMES).keypairs);
    expect(Object.keys(keypairs)).toEqual(names);
    expect(Object.values(keypairs)).toEqual(names.map((one) => keypair(one)));
    expect({ ...keypairs }).toEqual(Object.fromEntries(NAMES.map((one) => [one, keypair(one)])));
    expect(JSON.stringify(keypairs)).toBe(JSON.stringify(state.keypairs));
    expect(state.keypairs[first]).toBe(keypairs[first]);
  });

  it("nobody can change it", () => {
    const { keypairs } = trustedState(stateText(withKeypairs(["a"])));
    expect(() => Object.assign(keypairs, { b: keypair("b") })).toThrow(TypeError);
    expect(() => Object.defineProperty(keypairs, "b", { value: keypair("b") })).toThrow(TypeError);
    expect(() => delete keypairs.a).toThrow(TypeError);
    expect(() => Object.assign(keypairs.a ?? {}, { owner: "b" })).toThrow(TypeError);
    expect([Object.keys(keypairs), keypairs.a]).toEqual([["a"], keypair("a")]);
  });

  it("the rows that name one of some words are found, whatever the words are", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string()), fc.array(fc.string()), (names, words) => {
        const whole = withKeypairs(names);
        const found = rowsNaming(trustedState(stateText(whole)), "targets", words);
        const named = names.filter((one) => words.some((word) => one.includes(word)));
        expect(found).toEqual(expect.arrayContaining(named));
        expect(new Set(found).size).toBe(found.length);
      }),
    );
  });
});
