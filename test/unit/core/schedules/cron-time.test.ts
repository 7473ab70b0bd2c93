import { describe, expect, it } from "vitest";
import { nextDue, parseCron } from "../../../../src/core/schedules/cron-time.ts";

const NOW = new Date("2026-11-21T12:00:00Z");

describe("a cron expression", () => {
  it.each([
    ["0 3 * * *", "0 3 * * *"],
    ["  0\t3  * * 1-5 ", "0 3 * * 1-5"],
    ["*/15 0-6/2 1,15 jan *", "*/15 0-6/2 1,15 jan *"],
    ["0 0 * * sun,3,5-7", "0 0 * * sun,3,5-7"],
    ["0 3 13 * 5", "0 3 13 * 5"],
    ["0 3 29 2 *", "0 3 29 2 *"],
    ["@daily", "0 0 * * *"],
    ["@hourly", "0 * * * *"],
  ])("%j is understood", (text, fields) => expect(parseCron(text, NOW)).toBe(fields));

  it.each([
    ["", /fields/],
    ["0 3 * *", /4 fields/],
    ["0 0 3 * * *", /6 fields/],
    ["@reboot", /1 fields/],
    ["@never", /1 fields/],
    ["__proto__", /1 fields/],
    ["constructor", /1 fields/],
    ["60 3 * * *", /60 is not within 0-59/],
    ["0 24 * * *", /within 0-23/],
    ["0 3 0 * *", /within 1-31/],
    ["0 3 * 13 *", /within 1-12/],
    ["0 3 * * 8", /within 0-7/],
    ["0 22-2 * * *", /22-2 is not within/],
    ["0 5/2 * * *", /a step needs a range/],
    ["*/0 * * * *", /no such step/],
    ["0 3 L * *", /not understood/],
    ["0 3 ? * 1", /not understood/],
    ["0 3 * * 1#2", /not understood/],
    ["0 3 * * mon-fri", /not understood/],
    ["0 3 1,,2 * *", /not understood/],
    ["0 3 * * %", /not understood/],
    ["0 3 * * *; rm -rf /", /fields/],
    ["0\n3 * * *", /fields/],
    ["0 3 */2 * 1", /differ/],
    ["0 3 31 2 *", /never comes/],
  ])("%j is refused: usage", (text, why) => {
    expect(() => parseCron(text, NOW)).toThrow(why);
    expect(() => parseCron(text, NOW)).toThrow(expect.objectContaining({ code: "usage" }));
  });

  it("is due after, never at, the time asked about", () => {
    const noon = new Date("2026-11-21T12:00:00Z");
    expect(nextDue("0 12 * * *", noon, "UTC")).toEqual(new Date("2026-11-22T12:00:00Z"));
    expect(nextDue("0 12 * * *", new Date(noon.getTime() - 1000), "UTC")).toEqual(noon);
    expect(nextDue("0 0 29 2 *", noon, "UTC")).toEqual(new Date("2028-02-29T00:00:00Z"));
  });

  it("is due by the clock of the zone that it is asked for, whatever this process takes for its own", () => {
    const noon = new Date("2026-11-21T12:00:00Z");
    expect(nextDue("0 3 * * *", noon, "Europe/Berlin")).toEqual(new Date("2026-11-22T02:00:00Z"));
    expect(nextDue("0 3 * * *", noon, "Pacific/Auckland")).toEqual(new Date("2026-11-21T14:00:00Z"));
  });
});
