import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type KeepPolicy, type Kept, retain } from "../../../../src/core/backups/retention.ts";
import { PERIODS, type Period } from "../../../../src/core/backups/slots.ts";

const HOUR = 3_600_000;
const BERLIN = "Europe/Berlin";

/**
 * Berlin's clock by the rule of EU directive 2000/84: summer time between 01:00 UTC of the last Sundays of March and
 * October.
 */
function berlin(timeMs: number): Date {
  const year = new Date(timeMs).getUTCFullYear();
  const change = (month: number) => {
    const last = new Date(Date.UTC(year, month, 31, 1));
    return last.getTime() - last.getUTCDay() * 24 * HOUR;
  };
  const summer = timeMs >= change(2) && timeMs < change(9);
  return new Date(timeMs + (summer ? 2 : 1) * HOUR);
}

/** Slots as numbers, another way: only being equal or not matters. Day 0 of 1970 was a Thursday. */
const naiveSlots: Readonly<Record<Period, (timeMs: number) => number>> = {
  hourly: (timeMs) => Math.floor(timeMs / HOUR), // Berlin's offset is whole hours
  daily: (timeMs) => Math.floor(berlin(timeMs).getTime() / (24 * HOUR)),
  weekly: (timeMs) => Math.floor((Math.floor(berlin(timeMs).getTime() / (24 * HOUR)) + 3) / 7),
  monthly: (timeMs) => berlin(timeMs).getUTCFullYear() * 12 + berlin(timeMs).getUTCMonth(),
  yearly: (timeMs) => berlin(timeMs).getUTCFullYear(),
};

/** The kept ids, by sets instead of a walk: the maximum of each of the N greatest slots. */
function naive(backups: readonly Kept[], policy: KeepPolicy, nowMs: number): Set<string> {
  const kept = new Set<string>();
  const time = (backup: Kept) => Date.parse(backup.createdAt);
  for (const backup of backups) if (backup.protected || time(backup) > nowMs) kept.add(backup.id);
  const counted = backups.filter(({ id }) => !kept.has(id)).sort((a, b) => time(a) - time(b));
  const oldest = counted[0];
  const newest = counted[counted.length - 1];
  for (const backup of counted.slice(Math.max(0, counted.length - (policy.last ?? 0)))) kept.add(backup.id);
  for (const backup of counted)
    if (newest !== undefined && time(newest) - time(backup) < (policy.withinMs ?? 0)) kept.add(backup.id);
  for (const period of PERIODS) {
    const greatest = new Map<number, Kept>();
    for (const backup of counted) greatest.set(naiveSlots[period](time(backup)), backup);
    const slots = [...greatest.keys()].sort((a, b) => b - a);
    const count = policy[period] ?? 0;
    for (const slot of slots.slice(0, count)) kept.add(greatest.get(slot)?.id ?? "");
    if (oldest !== undefined && slots.length < count) kept.add(oldest.id);
  }
  return kept;
}

const keptIds = (backups: readonly Kept[], policy: KeepPolicy, now: number) =>
  new Set(retain(backups, policy, BERLIN, new Date(now)).flatMap(({ id, keep }) => (keep ? [id] : [])));

const START = Date.UTC(2026, 0, 1);
const count = fc.option(fc.integer({ min: 1, max: 9 }), { nil: undefined });
const policies: fc.Arbitrary<KeepPolicy> = fc
  .record({
    last: count,
    hourly: count,
    daily: count,
    weekly: count,
    monthly: count,
    yearly: count,
    withinMs: fc.option(
      fc.integer({ min: 1, max: 400 * 24 }).map((hours) => hours * HOUR),
      { nil: undefined },
    ),
  })
  .filter((policy) => Object.values(policy).some((value) => value !== undefined));
/** Distinct instants of three years, most of them near others, near the clock changes and the turns of the year. */
const instants = fc.uniqueArray(
  fc.oneof(
    fc.integer({ min: 0, max: 3 * 365 * 24 * 60 }),
    fc.integer({ min: 0, max: 72 * 60 }),
    ...[
      Date.UTC(2026, 2, 28, 22),
      Date.UTC(2026, 9, 24, 22),
      Date.UTC(2026, 11, 31, 20),
      Date.UTC(2027, 11, 31, 20),
    ].map((around) => fc.integer({ min: 0, max: 8 * 60 }).map((minutes) => (around - START) / 60_000 + minutes)),
  ),
  { maxLength: 60 },
);
const estates = fc.record({
  backups: instants.chain((minutes) =>
    fc.array(fc.integer({ min: 0, max: 9 }), { minLength: minutes.length, maxLength: minutes.length }).map((dice) =>
      minutes.map((minute, index) => ({
        id: `bak-${minute}`,
        createdAt: new Date(START + minute * 60_000).toISOString(),
        protected: dice[index] === 0,
      })),
    ),
  ),
  now: fc.integer({ min: 300, max: 3 * 365 }).map((days) => START + days * 24 * HOUR),
});

describe("whatever there is, and whatever is asked", () => {
  it("the same stay as by a second way of reckoning", () => {
    fc.assert(
      fc.property(estates, policies, ({ backups, now }, policy) => {
        expect(keptIds(backups, policy, now)).toEqual(naive(backups, policy, now));
      }),
      { numRuns: 2000 },
    );
  });

  it("the order they come in does not matter, and looking twice takes no more", () => {
    fc.assert(
      fc.property(estates, policies, ({ backups, now }, policy) => {
        const first = retain(backups, policy, BERLIN, new Date(now));
        expect(retain([...backups].reverse(), policy, BERLIN, new Date(now))).toEqual(first);
        const left = backups.filter(({ id }) => first.some((verdict) => verdict.id === id && verdict.keep));
        expect(keptIds(left, policy, now)).toEqual(new Set(left.map(({ id }) => id)));
      }),
      { numRuns: 500 },
    );
  });

  it("a rotation of N keeps the N newest of those that count", () => {
    fc.assert(
      fc.property(estates, fc.integer({ min: 1, max: 12 }), ({ backups, now }, rotation) => {
        const verdicts = retain(backups, { rotation }, BERLIN, new Date(now));
        const counted = verdicts.filter(({ id, createdAt }) => {
          const guarded = backups.some((backup) => backup.id === id && backup.protected);
          return !guarded && Date.parse(createdAt) <= now;
        });
        expect(counted.map(({ keep }) => keep)).toEqual(counted.map((_, index) => index < rotation));
        const spared = verdicts.filter((verdict) => !counted.includes(verdict));
        expect(spared.every(({ keep }) => keep)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});

describe("a year of hours in Berlin, pruned after each backup", () => {
  const policy = { hourly: 48, daily: 14, weekly: 8, monthly: 6 };
  const hours = 365 * 24 + 48;

  it("holds at each hour what was asked for, across both changes of the clock", () => {
    let estate: Kept[] = [];
    for (let hour = 0; hour < hours; hour += 1) {
      const now = START + hour * HOUR;
      estate.push({ id: `bak-${hour}`, createdAt: new Date(now).toISOString(), protected: false });
      const verdicts = retain(estate, policy, BERLIN, new Date(now));
      const gone = new Set(verdicts.filter(({ keep }) => !keep).map(({ id }) => id));
      estate = estate.filter(({ id }) => !gone.has(id));
      // No hour of the last 48 is missing: neither the one that comes twice, nor one beside the one that never comes.
      for (let back = 0; back < Math.min(48, hour + 1); back += 1)
        if (!estate.some(({ id }) => id === `bak-${hour - back}`))
          throw new Error(`hour ${hour}: ${hour - back} is gone`);
      const days = new Set(estate.map(({ createdAt }) => naiveSlots.daily(Date.parse(createdAt))));
      for (let back = 0; back < 14; back += 1) {
        const day = naiveSlots.daily(now) - back;
        if (day >= naiveSlots.daily(START) && !days.has(day)) throw new Error(`hour ${hour}: day ${day} is gone`);
      }
    }
    const left = (period: Period, n: number) =>
      new Set(estate.map(({ createdAt }) => naiveSlots[period](Date.parse(createdAt)))).size >= n;
    expect([left("hourly", 48), left("daily", 14), left("weekly", 8), left("monthly", 6)]).toEqual(Array(4).fill(true));
    expect(estate.length).toBeLessThanOrEqual(48 + 14 + 8 + 6);
  });

  it("keeps the last hour of each day, as nothing newer comes into its slot", () => {
    const all = Array.from({ length: hours }, (_, hour) => ({
      id: `bak-${hour}`,
      createdAt: new Date(START + hour * HOUR).toISOString(),
      protected: false,
    }));
    const verdicts = retain(all, { daily: 400 }, BERLIN, new Date(START + hours * HOUR));
    const kept = verdicts.filter(({ keep, why }) => keep && why[0]?.startsWith("daily slot"));
    expect(kept).toHaveLength(368); // 367 days of UTC touch 368 of Berlin, an hour ahead
    for (const { createdAt } of kept.slice(1)) expect(berlin(Date.parse(createdAt)).getUTCHours()).toBe(23);
    const clock = kept.map(({ createdAt }) => createdAt.slice(11, 13));
    // Nights of summer time, 29 March to 24 October 2026
    expect(clock.filter((hour) => hour === "21")).toHaveLength(210);
  });
});
