import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Measures, reckoning } from "../../../src/core/graph/accounting.ts";
import { collect } from "../../../src/core/graph/collect.ts";
import { allPointers, type Pointer } from "../../../src/core/graph/references.ts";
import { type Event, events, happen, kills, meddle } from "./history.ts";
import { Estate } from "./model-estate.ts";

/** Few distinct values, zeros among them, so that equal and zeroed clusters come up; or all distinct. */
const few = (n: number) => n % 4;
const distinct = (n: number) => n + 1;

function live(history: readonly Event[], value: (n: number) => number, eventDone: (estate: Estate) => void): Estate {
  const estate = new Estate();
  for (const [n, event] of history.entries()) {
    if (event.verb === "collect") estate.step(null);
    else happen(estate, event, value(n));
    eventDone(estate);
  }
  return estate;
}

describe("whatever happens", () => {
  it("every pointer reads what it read, and all agrees, after each step of collecting", () => {
    fc.assert(
      fc.property(events, (history) => {
        const estate = live(history, few, (now) => now.check());
        while (estate.step(null)) estate.check();
        estate.stopAll();
        while (estate.step(null)) estate.check();
      }),
      { numRuns: 400 },
    );
  });

  it("nothing is left to collect once nobody runs, save what is shared or cannot be merged for good", () => {
    fc.assert(
      fc.property(events, (history) => {
        const estate = live(history, few, () => {});
        estate.stopAll();
        estate.quiet();
        for (const decision of collect(estate.state, estate.facts())) {
          if (decision.kind !== "keep") throw new Error(`${decision.kind} ${decision.layer}`);
          if (decision.because === "size")
            expect(estate.host.devices.has(estate.layer(decision.layer).file)).toBe(true);
          else if (decision.because === "lent") expect(estate.lent.size).toBeGreaterThan(0);
          else if (decision.because === "borrowed") expect(estate.layer(decision.layer).borrowed).toBeDefined();
          else expect(decision.because).toBe("shared");
        }
        const files = Object.values(estate.state.layers).map(({ file }) => file);
        const ours = [...estate.host.files.keys()].filter((path) => path.startsWith("/layers/"));
        expect(files.filter((path) => path.startsWith("/layers/")).sort()).toEqual(ours.sort());
      }),
      { numRuns: 200 },
    );
  });

  it("a kill at any point, guests switched and written meanwhile, and a second kill: every pointer reads what it should", () => {
    const meddling = fc.array(fc.record({ verb: fc.constant("power" as const), a: fc.nat(1000), b: fc.nat(1000) }), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(
        events,
        fc.array(kills, { minLength: 1, maxLength: 8 }),
        meddling,
        (history, struck, disturbances) => {
          const estate = live(history, few, () => {});
          let n = history.length;
          const disturb = () => {
            for (const event of disturbances) {
              meddle(estate, event, few(n++));
              estate.check();
            }
          };
          for (const [index, kill] of struck.entries()) {
            if (!estate.step(kill)) break;
            estate.check();
            disturb();
            if (estate.recover(struck[index + 1] ?? null)) estate.check();
            disturb();
            if (!estate.recover(null)) {
              estate.check();
              estate.stopAll();
              expect(estate.recover(null)).toBe(true);
            }
            expect(estate.journal).toBeNull();
            estate.check();
          }
          estate.stopAll();
          while (estate.step(null)) estate.check();
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe("what a deletion is said to free", () => {
  const measures = (estate: Estate, asked?: readonly string[]): Measures => {
    const path = (id: string) => {
      if (asked && !asked.includes(id)) throw new Error(`${id} was not announced`);
      return estate.layer(id).file;
    };
    return { fileBytes: (id) => estate.host.bytes(path(id)), extents: (id) => estate.host.extents(path(id)) };
  };
  const bytes = (estate: Estate) =>
    [...estate.host.files.keys()].reduce((sum, path) => sum + estate.host.bytes(path), 0);
  const dropped = (estate: Estate, picks: readonly number[]): Pointer[] => {
    const all = [...allPointers(estate.state)].map(({ pointer }) => pointer);
    return [...new Set(picks.map((n) => all[n % Math.max(1, all.length)]))].filter((one) => one !== undefined);
  };

  /** The same history twice, collected until quiet: once with the pointers dropped before, once without. */
  const deed = (history: readonly Event[], picks: readonly number[]): number => {
    const [kept, gone] = [0, 1].map((drop) => {
      const estate = live(history, distinct, () => {});
      estate.stopAll();
      if (drop) for (const pointer of dropped(estate, picks)) estate.drop(pointer);
      estate.quiet();
      return bytes(estate);
    });
    return (kept ?? 0) - (gone ?? 0);
  };

  it("is what it frees: the deed and the promise are one", () => {
    fc.assert(
      fc.property(events, fc.array(fc.nat(1000), { minLength: 1, maxLength: 3 }), (history, picks) => {
        const estate = live(history, distinct, () => {});
        estate.stopAll();
        const pointers = dropped(estate, picks);
        const asked = reckoning(estate.state, estate.facts().deviceBytes).layersToMeasure(pointers);
        const promise = reckoning(estate.state, estate.facts().deviceBytes).exclusiveBytes(
          pointers,
          measures(estate, asked),
        );
        expect(promise).toBe(deed(history, picks));
      }),
      { numRuns: 300 },
    );
  });
});
