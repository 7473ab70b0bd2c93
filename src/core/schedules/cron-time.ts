/**
 * When a schedule is due. Takes what cron(8) and croner read alike, and refuses the rest: two that disagree would be
 * worse than neither.
 */
import { Cron } from "croner";
import { EstratoError } from "../../errors.ts";

const FIELDS = [
  { name: "minute", least: 0, most: 59, words: [] },
  { name: "hour", least: 0, most: 23, words: [] },
  { name: "day of the month", least: 1, most: 31, words: [] },
  {
    name: "month",
    least: 1,
    most: 12,
    words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
  },
  { name: "day of the week", least: 0, most: 7, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
] as const;

const NICKNAMES = new Map([
  ["@hourly", "0 * * * *"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@weekly", "0 0 * * 0"],
  ["@monthly", "0 0 1 * *"],
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
]);

/**
 * The five fields of a cron expression (crontab(5)), single spaces between them. Throws "usage", also for a time that
 * never comes.
 */
export function parseCron(text: string, now: Date): string {
  const fields = (NICKNAMES.get(text.trim()) ?? text).trim().split(/[ \t]+/);
  if (fields.length !== FIELDS.length) throw bad(text, `it has ${fields.length} fields, not five`);
  for (const [index, field] of FIELDS.entries()) {
    for (const part of (fields[index] ?? "").split(",")) checkPart(text, field, part);
  }
  const [, , day = "", , weekday = ""] = fields;
  // cron takes */2 for a star (both must hold), croner for a restriction (one of them must).
  if ([day, weekday].some((field) => /^\*./.test(field)) && day !== "*" && weekday !== "*") {
    throw bad(text, "cron programs differ on a day of the month and a day of the week where one is */N");
  }
  const cron = fields.join(" ");
  if (nextDue(cron, now, "UTC") === null) throw bad(text, "it never comes");
  return cron;
}

function checkPart(text: string, { name, least, most, words }: (typeof FIELDS)[number], part: string): void {
  if (part === "*" || (words as readonly string[]).includes(part.toLowerCase())) return;
  const match = /^(?:\*|(\d{1,2})(?:-(\d{1,2}))?)(?:\/(\d{1,2}))?$/.exec(part);
  if (match === null) throw bad(text, `${name}: ${JSON.stringify(part)} is not understood`);
  const [, from = String(least), to = match[1] === undefined ? String(most) : from, step] = match;
  if (step !== undefined && match[1] !== undefined && match[2] === undefined)
    throw bad(text, `${name}: a step needs a range or a star: */${step}`);
  if (step !== undefined && (Number(step) < 1 || Number(step) > most))
    throw bad(text, `${name}: no such step: ${part}`);
  if (Number(from) < least || Number(to) > most || Number(from) > Number(to))
    throw bad(text, `${name}: ${part} is not within ${least}-${most}`);
}

/** When it is due for the first time after `after`, in the zone of the host's cron. Null: never. */
export function nextDue(cron: string, after: Date, zone: string): Date | null {
  return new Cron(cron, { mode: "5-part", timezone: zone }).nextRun(after);
}

function bad(text: string, why: string): EstratoError {
  return new EstratoError("usage", `cron ${JSON.stringify(text)}: ${why}`, {
    hint: 'Write minute, hour, day of the month, month and day of the week: "0 3 * * *" is three at night.',
  });
}
