/** What a backup leaves of those before it: --rotation N, or the --keep-* options. */
import type { RetentionPolicy } from "../../core/backups/retention.ts";
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { settingOf } from "../framework/defaults.ts";
import { count, duration, text } from "../framework/options.ts";

export const policyOptions = {
  rotation: count("keep the N newest of this instance and type"),
  keepLast: count("keep the N newest"),
  keepHourly: count("keep the newest of each of N hours that have one"),
  keepDaily: count("the same for N days"),
  keepWeekly: count("the same for N weeks, which begin on Monday"),
  keepMonthly: count("the same for N months"),
  keepYearly: count("the same for N years"),
  keepWithin: duration("keep all that are less than so long older than the newest: 30d"),
};

export const zone = text(
  "ZONE",
  "whose days and weeks the --keep-* options go by, Europe/Berlin; the host's, if not said",
);

type Given = { readonly [K in keyof typeof policyOptions]: number | null };

/** As the line says, else the setting `rotation`. Throws "usage" where nothing, or both kinds, is said. */
export async function policyFor(factory: Factory, given: Given, verb: string): Promise<RetentionPolicy> {
  const isSaid = Object.keys(policyOptions).some((key) => given[key as keyof Given] !== null);
  const set = isSaid ? null : await settingOf(factory, "rotation");
  return policyOf(set === null ? given : { ...given, rotation: Number(set) }, verb);
}

/** Throws "usage" where nothing, or both kinds, is said. */
export function policyOf(given: Given, verb: string): RetentionPolicy {
  const { rotation, keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin } = given;
  const keeps = [keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly, keepWithin];
  const kept = keeps.some((value) => value !== null);
  if (rotation !== null && kept) {
    throw new EstratoError("usage", `${verb}: --rotation and --keep-* say the same thing in two ways`, {
      hint: "Leave one of them out.",
    });
  }
  if (rotation !== null) return { rotation };
  if (!kept) {
    throw new EstratoError("usage", `${verb}: --rotation is missing`, {
      hint: "Say how many are kept: --rotation 7, or --keep-daily 7 --keep-weekly 4.",
    });
  }
  const or = (value: number | null) => value ?? undefined;
  return {
    last: or(keepLast),
    hourly: or(keepHourly),
    daily: or(keepDaily),
    weekly: or(keepWeekly),
    monthly: or(keepMonthly),
    yearly: or(keepYearly),
    withinMs: or(keepWithin),
  };
}
