/** Which backups stay and which go, and why. Pure: takes the zone and the time, touches nothing. */
import { EstratoError } from "../../errors.ts";
import { PERIODS, type Period, slotsOf } from "./slots.ts";

/** What retention must know of a backup. All of one call are complete, of one instance, one type and one target. */
export interface Kept {
  readonly id: string;
  readonly createdAt: string; // ISO 8601, UTC
  readonly protected: boolean;
}

/** Counts of slots; a slot without a backup does not count. What is not there, or 0, keeps nothing. */
export type KeepPolicy = { readonly [P in Period | "last" | "withinMs"]?: number | undefined };
export type RetentionPolicy = { readonly rotation: number } | KeepPolicy;

export interface Verdict {
  readonly id: string;
  readonly createdAt: string;
  readonly keep: boolean;
  /**
   * Every rule that keeps it, or the one reason why it goes: "daily slot 2026-11-20", "last 3", "protected", "beyond
   * rotation 7".
   */
  readonly why: readonly string[];
}

const PROTECTED = "protected";
const AHEAD = "in the future";
const KEEP_RULES = ["last", ...PERIODS, "withinMs"] as const;

/**
 * A verdict for each backup, newest first (of one instant: by id).
 *
 * Protected ones, and those dated later than `now`, stay and are not counted: no rule sees them.
 * `rotation: N` keeps the N newest of the others. The rest is as in restic (`restic forget`,
 * internal/data/snapshot_policy.go): each rule looks at all others, newest first, and what any rule keeps stays.
 * `last: N` keeps the N newest; `daily: N` the newest of each of the N latest days that have one, in the calendar of
 * `zone` (see slots.ts; weeks are ISO's). While a rule has slots left when it comes to the oldest backup, it keeps that
 * too, even in a slot that is taken, so that history grows to its full length. `withinMs` keeps what is less than so
 * long older than the newest one (not than `now`: where backups stopped, the last ones stay); unlike restic's its days
 * have 24 hours, on which the calendar has no say.
 *
 * Throws "usage" for a policy that keeps nothing, names both kinds, or holds a malformed number, and for an unknown
 * zone; "integrity" for a backup without a readable date.
 */
export function retain(backups: readonly Kept[], policy: RetentionPolicy, zone: string, now: Date): Verdict[] {
  checkPolicy(policy);
  const dated = backups.map((backup) => ({ ...backup, timeMs: dateOf(backup) }));
  dated.sort((a, b) => b.timeMs - a.timeMs || (a.id < b.id ? 1 : -1));
  const why = new Map<string, string[]>(dated.map(({ id }) => [id, []]));
  const counted = dated.filter(({ id, timeMs, protected: guarded }) => {
    if (guarded) why.get(id)?.push(PROTECTED);
    if (timeMs > now.getTime()) why.get(id)?.push(AHEAD);
    return why.get(id)?.length === 0;
  });
  const rules = "rotation" in policy ? [newest(policy.rotation, "rotation")] : rulesOf(policy, zone);
  for (const rule of rules) for (const { id, reason } of rule(counted)) why.get(id)?.push(reason);
  const gone = goneBy(policy);
  return dated.map(({ id, createdAt }) => {
    const reasons = why.get(id) ?? [];
    return { id, createdAt, keep: reasons.length > 0, why: reasons.length > 0 ? reasons : [gone] };
  });
}

/** What retention must know of a backup of volumes. */
export interface KeptOfVolumes extends Kept {
  readonly volumes: readonly string[]; // ids
}

/**
 * The same, counted by volume: what a rule keeps of any volume stays. So a volume that was detached keeps its last
 * backups, whatever has its device by now; where all hold the same volumes it is `retain`. Throws what that throws.
 */
export function retainOfVolumes(
  backups: readonly KeptOfVolumes[],
  policy: RetentionPolicy,
  zone: string,
  now: Date,
): Verdict[] {
  const all = retain(backups, policy, zone, now);
  const newestOne = all.find(({ why }) => !why.includes(AHEAD))?.id;
  const current = backups.find(({ id }) => id === newestOne)?.volumes ?? [];
  const why = new Map<string, Set<string>>(all.map(({ id }) => [id, new Set()]));
  for (const volume of new Set(backups.flatMap(({ volumes }) => volumes))) {
    const holding = backups.filter(({ volumes }) => volumes.includes(volume));
    for (const { id, keep, why: reasons } of retain(holding, policy, zone, now)) {
      if (!keep) continue;
      const ofAll = current.includes(volume);
      for (const reason of reasons)
        why.get(id)?.add(ofAll || [PROTECTED, AHEAD].includes(reason) ? reason : `${reason} of ${volume}`);
    }
  }
  return all.map(({ id, createdAt }) => {
    const reasons = [...(why.get(id) ?? [])];
    return { id, createdAt, keep: reasons.length > 0, why: reasons.length > 0 ? reasons : [goneBy(policy)] };
  });
}

function goneBy(policy: RetentionPolicy): string {
  return "rotation" in policy ? `beyond rotation ${policy.rotation}` : "no rule keeps it";
}

type Dated = Kept & { readonly timeMs: number };
/** Handed the backups newest first, names those that it keeps. */
type Rule = (counted: readonly Dated[]) => { readonly id: string; readonly reason: string }[];

function rulesOf(policy: KeepPolicy, zone: string): Rule[] {
  const rules: Rule[] = [];
  const slots = remembered(zone);
  if (policy.last) rules.push(newest(policy.last, "last"));
  if (policy.withinMs) rules.push(within(policy.withinMs));
  for (const period of PERIODS) {
    const count = policy[period];
    if (count) rules.push(calendar(period, count, slots));
  }
  slots(0); // an unknown zone is refused even where no rule asks for it, or no backup is there
  return rules;
}

function newest(count: number, name: string): Rule {
  return (counted) => counted.slice(0, count).map(({ id }) => ({ id, reason: `${name} ${count}` }));
}

function within(durationMs: number): Rule {
  return (counted) => {
    const since = (counted[0]?.timeMs ?? 0) - durationMs;
    const reason = `within ${durationText(durationMs)}`;
    return counted.filter(({ timeMs }) => timeMs > since).map(({ id }) => ({ id, reason }));
  };
}

type Slots = (timeMs: number) => Readonly<Record<Period, string>>;

/** Asked once for all rules: Intl takes longer than all the rest. */
function remembered(zone: string): Slots {
  const known = new Map<number, ReturnType<Slots>>();
  return (timeMs) => {
    const slots = known.get(timeMs) ?? slotsOf(timeMs, zone);
    known.set(timeMs, slots);
    return slots;
  };
}

function calendar(period: Period, count: number, slots: Slots): Rule {
  return (counted) => {
    const kept: { id: string; reason: string }[] = [];
    const taken = new Set<string>();
    for (const [index, { id, timeMs }] of counted.entries()) {
      if (kept.length === count) break;
      const slot = slots(timeMs)[period];
      if (!taken.has(slot)) kept.push({ id, reason: `${period} slot ${slot}` });
      else if (index === counted.length - 1) kept.push({ id, reason: `oldest, while ${period} has slots left` });
      taken.add(slot);
    }
    return kept;
  };
}

/** Throws "usage" unless the policy keeps something and is of one kind. */
export function checkPolicy(policy: RetentionPolicy): void {
  const rules: Readonly<Record<string, number | undefined>> = { ...policy };
  const hint = "Give --rotation N, or one or more of --keep-last, --keep-daily and so on.";
  for (const [name, count] of Object.entries(rules)) {
    if (count === undefined || (Number.isSafeInteger(count) && count >= 0)) continue;
    throw new EstratoError("usage", `retention: ${name} ${count}: not a whole number`, { hint });
  }
  const keeps = KEEP_RULES.some((name) => (rules[name] ?? 0) > 0);
  if (rules.rotation !== undefined) {
    if (KEEP_RULES.some((name) => rules[name] !== undefined))
      throw new EstratoError("usage", "retention: a rotation and rules to keep exclude each other", { hint });
    if (rules.rotation < 1) throw new EstratoError("usage", "retention: the rotation must be at least 1", { hint });
  } else if (!keeps) throw new EstratoError("usage", "retention: an empty policy would keep nothing", { hint });
}

function dateOf({ id, createdAt }: Kept): number {
  const timeMs = Date.parse(createdAt);
  if (!Number.isNaN(timeMs)) return timeMs;
  throw new EstratoError("integrity", `backup ${id}: its date ${JSON.stringify(createdAt)} cannot be read`, {
    hint: "Nothing is removed while it is there.",
  });
}

const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
] as const;

function durationText(durationMs: number): string {
  const [unit, unitMs] = UNITS.find(([, ms]) => durationMs % ms === 0) ?? ["ms", 1];
  return `${durationMs / unitMs}${unit}`;
}
