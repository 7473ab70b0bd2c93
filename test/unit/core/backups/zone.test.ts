/** The same backups, counted in two calendars. */
import { describe, expect, test } from "vitest";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { backupAndRotate } from "../../../../src/core/backups/take.ts";
import { type Bed, backupsOf, command, everything, TARGET } from "../world.ts";
import { night, wanted, withTarget } from "./world.ts";

const HOUR = 3_600_000;

/**
 * At 21:30, 22:30 and 23:30 UTC of one day: in Berlin, in winter, the last is of the next. (The oldest of all stays
 * while there are slots left.)
 */
async function threeHours(): Promise<Bed> {
  const on = await withTarget();
  const now = on.clock.now();
  on.clock.advance(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate() + 1, 20, 30) - now.getTime());
  for (const _ of [1, 2, 3]) await night(on);
  return on;
}

const everyZone = { instance: null, type: null };

describe("a zone says which hours are of one day", () => {
  test.each([
    ["UTC", 2],
    ["Europe/Berlin", 3],
  ])("when backups are pruned: %s keeps %i", async (zone, kept) => {
    const on = await threeHours();
    await pruneBackups(command(on), [TARGET], { policy: { daily: 5 }, zone }, everyZone, null);
    expect(backupsOf(on)).toHaveLength(kept);
  });

  test.each([
    ["UTC", 3],
    ["Europe/Berlin", 4],
  ])("when one is taken: %s leaves %i", async (zone, kept) => {
    const on = await threeHours();
    on.clock.advance(24 * HOUR);
    await backupAndRotate(command(on), wanted(), { daily: 5 }, zone);
    expect(backupsOf(on)).toHaveLength(kept);
  });

  test("one that this machine does not know is refused before anything is taken or removed", async () => {
    const on = await threeHours();
    const before = everything(on);
    const zone = "Europe/Atlantis";
    await expect(backupAndRotate(command(on), wanted(), { daily: 5 }, zone)).rejects.toMatchObject({ code: "usage" });
    await expect(
      pruneBackups(command(on), [TARGET], { policy: { rotation: 1 }, zone }, everyZone, null),
    ).rejects.toMatchObject({ code: "usage" });
    expect(everything(on)).toBe(before);
  });
});
