/**
 * The values that people write: sizes, durations, times, counts, properties. Each throws "usage", naming `what` was
 * wrong.
 */
import { EstratoError } from "../errors.ts";
import { durationMs, LONGEST_DURATION_MS } from "../units.ts";

const POWERS: Readonly<Record<string, number>> = { "": 0, B: 0, K: 1, M: 2, G: 3, T: 4, P: 5 };
/** Larger than any disk that QEMU takes, and still an exact integer. */
const LARGEST_BYTES = Number.MAX_SAFE_INTEGER;

function bad(what: string, text: string, why: string, hint: string): EstratoError {
  return new EstratoError("usage", `${what} ${JSON.stringify(text)}: ${why}`, { hint });
}

/** Bytes of `512M`, `10G`, `10GiB`, `1.5G`: powers of 1024. At least 1, whole bytes. */
export function parseSize(text: string, what = "size"): number {
  const match = /^(\d{1,16}(?:\.\d{1,6})?)\s?([KMGTP]?)(?:iB|B)?$/i.exec(text);
  const hint = "Write it as 512M, 10G or 10GiB.";
  if (match === null) throw bad(what, text, "not a size", hint);
  const bytes = Number(match[1]) * 1024 ** (POWERS[(match[2] ?? "").toUpperCase()] ?? 0);
  if (bytes < 1) throw bad(what, text, "it must be more than nothing", hint);
  if (bytes > LARGEST_BYTES) throw bad(what, text, "too large", hint);
  if (!Number.isInteger(bytes)) throw bad(what, text, "not a whole number of bytes", hint);
  return bytes;
}

/** Milliseconds of `90s`, `30m`, `12h`, `7d`, `2w`; `0` is none at all. */
export function parseDuration(text: string, what = "duration"): number {
  const hint = "Write it as 90s, 30m, 12h, 7d or 2w.";
  const ms = durationMs(text);
  if (ms === null) throw bad(what, text, "not a duration", hint);
  if (ms > LONGEST_DURATION_MS) throw bad(what, text, "longer than a hundred years", hint);
  return ms;
}

/** A date, or a date and time, of ISO 8601; without a zone it is local. */
export function parseTime(text: string, what = "time"): Date {
  const hint = "Write it as 2027-01-31, 2027-01-31T12:00 or 2027-01-31T12:00:00Z.";
  const match = /^\d{4}-(\d\d)-(\d\d)(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:?\d\d)?)?$/.exec(text);
  if (match === null) throw bad(what, text, "not a time", hint);
  const time = new Date(text.length === 10 ? `${text}T00:00` : text);
  const day = new Date(`${text.slice(0, 10)}T00:00:00Z`); // 2027-02-31 becomes March where it is not looked at
  if (Number.isNaN(time.getTime()) || day.getUTCDate() !== Number(match[2]))
    throw bad(what, text, "no such time", hint);
  return time;
}

/** A whole number from `least` on. */
export function parseCount(text: string, what = "number", least = 1): number {
  const number = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= least) return number;
  throw bad(what, text, `not a whole number from ${least} on`, `Write it as ${least}, ${least + 1}, ….`);
}

/** 1 to 100 of `5%`: whole ones. */
export function parsePercent(text: string, what = "share"): number {
  const number = Number(/^(\d{1,3})%$/.exec(text)?.[1] ?? Number.NaN);
  if (number >= 1 && number <= 100) return number;
  throw bad(what, text, "not a share from 1% to 100%", "Write it as 5%.");
}

/** `KEY=VALUE`; the value may be empty and may hold "=". Keys hold letters, digits and `_.:-`. */
export function parseKeyValue(text: string, what = "property"): readonly [key: string, value: string] {
  const at = text.indexOf("=");
  const hint = "Write it as KEY=VALUE.";
  if (at < 1) throw bad(what, text, "not a KEY=VALUE", hint);
  const key = text.slice(0, at);
  if (!/^[\p{L}\p{N}_.:-]{1,128}$/u.test(key)) {
    throw bad(what, text, "its key is malformed", "A key has 1 to 128 letters, digits and _ . : -");
  }
  const value = text.slice(at + 1);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what a value must not hold
  if (/[\u0000-\u0008\u000b-\u001f\u007f]/.test(value)) throw bad(what, text, "it holds a control character", hint);
  return [key, value];
}
