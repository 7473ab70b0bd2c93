/**
 * The one line that Nagios and its kin read: STATUS - text | label=value;warning;critical… (monitoring-plugins'
 * guidelines).
 */

import { type Judgement, LEVELS, type Limits } from "../../core/check/judge.ts";
import type { Facts } from "../../core/check/measure.ts";
import { printable } from "../../ui/text.ts";
import { humanSpan } from "../../units.ts";

export function nagiosLine(facts: Facts, limits: Limits, { level, problems }: Judgement): string {
  const text = problems.length > 0 ? problems.join("; ") : wellText(facts);
  return `${statusText(level, text)} | ${performance(facts, limits).join(" ")}\n`;
}

/** For what keeps it from being known, too. A bar would begin the figures. */
export function statusText(level: Judgement["level"], text: string): string {
  return `${LEVELS[level]} - ${printable(text).replaceAll("|", "/")}`;
}

function wellText({ schedules, now }: Facts): string {
  if (schedules.length === 0) return "no schedules";
  const shelved = [...new Set(schedules.filter((one) => one.shelved).map(({ instance }) => `${instance} is shelved`))];
  const ages = schedules
    .filter((one) => !one.shelved)
    .flatMap(({ goodAt }) => (goodAt === null ? [] : [now.getTime() - goodAt.getTime()]));
  const oldest =
    ages.length === 0 ? "none is due yet" : `the oldest last good one is ${humanSpan(Math.max(...ages))} old`;
  const count = `${schedules.length} ${schedules.length === 1 ? "schedule" : "schedules"}`;
  return [count, ...(schedules.every((one) => one.shelved) ? [] : [oldest]), ...shelved].join(", ");
}

function performance(facts: Facts, limits: Limits): string[] {
  const seconds = (ms: number | null) => (ms === null ? "" : String(Math.round(ms / 1000)));
  return [
    ...facts.schedules.flatMap(({ name, goodAt, kept }) => [
      ...(goodAt === null
        ? []
        : [
            figure(
              `${name} age`,
              `${seconds(facts.now.getTime() - goodAt.getTime())}s`,
              seconds(limits.warningAgeMs),
              seconds(limits.criticalAgeMs),
            ),
          ]),
      ...(kept === null
        ? []
        : [figure(`${name} kept`, String(kept), limits.leastKept > 0 ? `${limits.leastKept}:` : "", "")]),
    ]),
    ...facts.chains.map(({ instance, layers }) =>
      figure(`${instance} layers`, String(layers), String(limits.warningLayers - 1), String(limits.criticalLayers - 1)),
    ),
    ...facts.folders.map(({ path, freeBytes }) =>
      figure(`${path} free`, `${freeBytes}B`, `${limits.warningFreeBytes}:`, `${limits.criticalFreeBytes}:`),
    ),
    figure("interrupted", String(facts.interrupted.length), "0", ""),
  ];
}

function figure(label: string, value: string, warning: string, critical: string): string {
  const name = printable(label).replaceAll(/['=|]/g, "_");
  return `'${name}'=${value};${warning};${critical}`;
}
