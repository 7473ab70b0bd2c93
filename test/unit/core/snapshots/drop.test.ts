/** What hangs on snapshots that are forgotten together. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { withChange } from "../../../../src/core/model/drafts.ts";
import type { State } from "../../../../src/core/model/state.ts";
import { dropSnapshots } from "../../../../src/core/snapshots/drop.ts";
import { addGuest, addLayer, addSnapshot, emptyState } from "../../graph/build.ts";

const COUNT = 12;
const idOf = (index: number | null) => (index === null ? null : `s${index}`);

/** Each snapshot hangs on one before it or on nothing, and each guest stands on one. */
function forest(parents: readonly number[], points: readonly (readonly (number | null)[])[]): State {
  const state = emptyState();
  addLayer(state, "L", null);
  for (const [index, parent] of parents.entries()) {
    addSnapshot(state, `s${index}`, ["L"], { parent: parent < index ? idOf(parent) : null });
  }
  for (const [index, [current = null, undo = null]] of points.entries()) {
    addGuest(state, `web${index}`, `K${index}`);
    Object.assign(state.instances[`web${index}`] ?? {}, { current: idOf(current), undo: idOf(undo) });
  }
  return state;
}

test("all at once leave what one after the other leaves, in any order", () => {
  const index = fc.nat({ max: COUNT - 1 });
  const point = fc.tuple(fc.option(index), fc.option(index));
  const made = fc.record({
    parents: fc.array(index, { minLength: COUNT, maxLength: COUNT }),
    points: fc.array(point, { maxLength: 4 }),
    ids: fc.array(index).map((all) => all.map((one) => `s${one}`)),
  });
  fc.assert(
    fc.property(made, ({ parents, points, ids }) => {
      const state = forest(parents, points);
      const singly = ids.reduce((last, id) => withChange(last, (draft) => dropSnapshots(draft, [id])), state);
      expect(withChange(state, (draft) => dropSnapshots(draft, ids))).toEqual(singly);
    }),
  );
});

test("in a ring, which nobody but a person can have made, end", () => {
  const state = forest([0, 0, 1], [[0]]);
  Object.assign(state.snapshots.s0 ?? {}, { parent: "s1" });
  const { snapshots, instances } = withChange(state, (draft) => dropSnapshots(draft, ["s0", "s1"]));
  expect(snapshots).toEqual({ s2: expect.objectContaining({ parent: null }) });
  expect(instances.web0?.current).toBeNull();
});
