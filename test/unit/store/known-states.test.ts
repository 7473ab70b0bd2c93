import { expect, test } from "vitest";
import { STATE_VERSION } from "../../../src/core/model/state.ts";
import { emptyState } from "../../../src/store/empty-state.ts";
import { knownStates } from "../../../src/store/known-states.ts";
import { MIGRATIONS } from "../../../src/store/migrations.ts";
import { stateText } from "../../../src/store/state-text.ts";

const text = (storeId: string) => stateText({ ...emptyState(), storeId });
const DAMAGED = JSON.stringify({ ...emptyState(), layers: 7 });

test("what is read is the caller's own, whatever was read before", () => {
  const known = knownStates(2);
  for (const state of [known.read(text("a"), "state.json"), known.read(text("a"), "state.json")]) {
    expect(state).toMatchObject({ storeId: "a", flavors: {} });
    expect(Object.getPrototypeOf(state.flavors)).toBeNull();
    Object.assign(state.flavors, { tiny: null });
    state.storeId = "changed";
  }
});

test("what is damaged is refused each time", () => {
  const known = knownStates(2);
  for (const damaged of [DAMAGED, DAMAGED, "{", "{"]) {
    expect(() => known.read(damaged, "state.json")).toThrow("state.json: damaged");
  }
});

test("what is known is not validated again, of the texts that were met last", () => {
  const known = knownStates(2);
  known.add(DAMAGED); // as it would not be: shows that nobody looks
  known.read(text("a"), "state.json");
  expect(known.read(DAMAGED, "state.json").layers).not.toBeUndefined();
  for (const other of ["b", "c"]) known.read(text(other), "state.json");
  expect(() => known.read(DAMAGED, "state.json")).toThrow("state.json: damaged");
});

test("an older one is brought to our version, known or not", () => {
  const known = knownStates(2, MIGRATIONS);
  const { binding: _, ...older } = emptyState();
  const said = JSON.stringify({ ...older, version: 2 });
  for (const state of [known.read(said, "state.json"), known.read(said, "state.json")]) {
    expect(state).toMatchObject({ version: STATE_VERSION, binding: null });
  }
});
