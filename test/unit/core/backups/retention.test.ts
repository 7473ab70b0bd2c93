import { describe, expect, it } from "vitest";
import { type KeepPolicy, type Kept, type RetentionPolicy, retain } from "../../../../src/core/backups/retention.ts";
import { slotsOf } from "../../../../src/core/backups/slots.ts";

const NOW = new Date("2026-11-21T12:00:00Z");
const at = (createdAt: string, guarded = false): Kept => ({ id: createdAt, createdAt, protected: guarded });
const BERLIN = "Europe/Berlin";

function judged(backups: readonly Kept[], policy: RetentionPolicy, zone = "UTC", now = NOW) {
  return retain(backups, policy, zone, now).map(({ id, keep, why }) => `${keep ? "+" : "-"} ${id} ${why.join(", ")}`);
}

describe("rotation", () => {
  it("keeps the newest, whatever order they come in, and says why", () => {
    const backups = [at("2026-11-18T03:00:00Z"), at("2026-11-20T03:00:00Z"), at("2026-11-19T03:00:00Z")];
    expect(judged(backups, { rotation: 2 })).toEqual([
      "+ 2026-11-20T03:00:00Z rotation 2",
      "+ 2026-11-19T03:00:00Z rotation 2",
      "- 2026-11-18T03:00:00Z beyond rotation 2",
    ]);
  });

  it("neither removes nor counts what is protected or dated in the future", () => {
    const backups = [
      at("2027-01-01T00:00:00Z"),
      at("2026-11-20T03:00:00Z", true),
      at("2026-11-19T03:00:00Z"),
      at("2026-11-18T03:00:00Z"),
      at("2026-11-17T03:00:00Z", true),
    ];
    expect(judged(backups, { rotation: 1 })).toEqual([
      "+ 2027-01-01T00:00:00Z in the future",
      "+ 2026-11-20T03:00:00Z protected",
      "+ 2026-11-19T03:00:00Z rotation 1",
      "- 2026-11-18T03:00:00Z beyond rotation 1",
      "+ 2026-11-17T03:00:00Z protected",
    ]);
  });

  it("takes one of this very instant as of the present", () => {
    expect(judged([at(NOW.toISOString())], { rotation: 1 })).toEqual([`+ ${NOW.toISOString()} rotation 1`]);
  });
});

describe("rules to keep", () => {
  it("keep the newest of each slot; empty slots do not count", () => {
    const backups = ["2026-11-20T22:00:00Z", "2026-11-20T03:00:00Z", "2026-11-11T03:00:00Z", "2026-10-01T03:00:00Z"];
    expect(
      judged(
        [...backups, "2026-09-01T00:00:00Z"].map((time) => at(time)),
        { daily: 3 },
      ),
    ).toEqual([
      "+ 2026-11-20T22:00:00Z daily slot 2026-11-20",
      "- 2026-11-20T03:00:00Z no rule keeps it",
      "+ 2026-11-11T03:00:00Z daily slot 2026-11-11",
      "+ 2026-10-01T03:00:00Z daily slot 2026-10-01",
      "- 2026-09-01T00:00:00Z no rule keeps it",
    ]);
  });

  it("add up, each with its reason", () => {
    const policy = { last: 1, hourly: 1, daily: 1, weekly: 1, monthly: 1, yearly: 1, withinMs: 3_600_000 };
    expect(judged([at("2026-11-20T13:30:00Z")], policy, BERLIN)).toEqual([
      "+ 2026-11-20T13:30:00Z last 1, within 1h, hourly slot 2026-11-20T14+01:00, daily slot 2026-11-20, " +
        "weekly slot 2026-W47, monthly slot 2026-11, yearly slot 2026",
    ]);
  });

  it("put an instant into the slot of the stated zone", () => {
    const backups = [at("2026-11-20T23:30:00Z"), at("2026-11-20T12:00:00Z")];
    expect(judged(backups, { daily: 2 }, "UTC")[1]).toBe("+ 2026-11-20T12:00:00Z oldest, while daily has slots left");
    expect(judged(backups, { daily: 1 }, "UTC")[1]).toBe("- 2026-11-20T12:00:00Z no rule keeps it");
    expect(judged(backups, { daily: 2 }, BERLIN)).toEqual([
      "+ 2026-11-20T23:30:00Z daily slot 2026-11-21",
      "+ 2026-11-20T12:00:00Z daily slot 2026-11-20",
    ]);
  });

  it("measure `within` from the newest, not from now: where backups stopped, the last ones stay", () => {
    const backups = [at("2026-01-31T00:00:00Z"), at("2026-01-01T00:00:01Z"), at("2026-01-01T00:00:00Z")];
    expect(judged(backups, { withinMs: 30 * 86_400_000 })).toEqual([
      "+ 2026-01-31T00:00:00Z within 30d",
      "+ 2026-01-01T00:00:01Z within 30d",
      "- 2026-01-01T00:00:00Z no rule keeps it",
    ]);
  });

  it("do not measure `within` from what is in the future", () => {
    const backups = [at("2030-01-01T00:00:00Z"), at("2026-11-20T00:00:00Z"), at("2026-11-18T00:00:00Z")];
    expect(judged(backups, { withinMs: 90_000 })).toEqual([
      "+ 2030-01-01T00:00:00Z in the future",
      "+ 2026-11-20T00:00:00Z within 90s",
      "- 2026-11-18T00:00:00Z no rule keeps it",
    ]);
  });
});

describe("slots", () => {
  const slots = (time: string, zone = BERLIN) => slotsOf(Date.parse(time), zone);

  it("has two hours where the clocks go back, and none where they go forward", () => {
    expect(slots("2026-10-25T00:30:00Z").hourly).toBe("2026-10-25T02+02:00");
    expect(slots("2026-10-25T01:30:00Z").hourly).toBe("2026-10-25T02+01:00");
    expect(slots("2026-03-29T00:59:59Z").hourly).toBe("2026-03-29T01+01:00");
    expect(slots("2026-03-29T01:00:00Z").hourly).toBe("2026-03-29T03+02:00");
  });

  it("begins weeks on Monday, and gives them to the year of their Thursday", () => {
    expect(slots("2026-12-31T12:00:00Z").weekly).toBe("2026-W53");
    expect(slots("2027-01-03T22:59:59Z").weekly).toBe("2026-W53");
    expect(slots("2027-01-03T23:00:00Z").weekly).toBe("2027-W01");
    expect(slots("2024-12-30T12:00:00Z").weekly).toBe("2025-W01");
  });

  it("knows zones west of Greenwich, of half hours and at none", () => {
    expect(slots("2026-01-01T00:00:00Z", "America/St_Johns").hourly).toBe("2025-12-31T20-03:30");
    expect(slots("2026-01-01T00:00:00Z", "Asia/Kathmandu").hourly).toBe("2026-01-01T05+05:45");
    expect(slots("2026-01-01T00:00:00Z", "UTC").hourly).toBe("2026-01-01T00+00:00");
  });
});

describe("what is refused", () => {
  const refused: readonly [string, RetentionPolicy, RegExp][] = [
    ["an empty policy", {}, /empty policy/],
    ["one of noughts", { last: 0, daily: 0, withinMs: 0 }, /empty policy/],
    ["a rotation of nothing", { rotation: 0 }, /at least 1/],
    ["a negative count", { daily: -1 }, /daily -1: not a whole number/],
    ["half a count", { rotation: 1.5 }, /not a whole number/],
    ["not a number", { last: Number.NaN }, /not a whole number/],
    ["both kinds", { rotation: 3, daily: 2 } as KeepPolicy, /exclude each other/],
  ];
  for (const [what, policy, message] of refused) {
    it(`${what}: "usage"`, () => {
      for (const backups of [[], [at("2026-11-20T00:00:00Z")]])
        expect(() => retain(backups, policy, "UTC", NOW)).toThrow(expect.objectContaining({ code: "usage" }));
      expect(() => retain([], policy, "UTC", NOW)).toThrow(message);
    });
  }

  it(`an unknown zone: "usage", with or without backups`, () => {
    for (const zone of ["Europe/Nowhere", "", "../etc"])
      expect(() => retain([], { last: 1 }, zone, NOW)).toThrow(expect.objectContaining({ code: "usage" }));
  });

  it(`a backup without a readable date: "integrity", rather than a guess`, () => {
    expect(() => retain([at("yesterday")], { rotation: 1 }, "UTC", NOW)).toThrow(
      expect.objectContaining({ code: "integrity" }),
    );
  });
});
