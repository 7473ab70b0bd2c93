import { describe, expect, test } from "vitest";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { killEverywhere } from "../crashes.ts";
import { creation, take, withGuest, write } from "../world.ts";

const TWO = [{ content: { 0: "boot" } }, { content: { 0: "data" }, format: "raw" }] as const;

describe("snapshot create, killed at every point", { timeout: 60_000 }, () => {
  test.each([true, false])("leaves the guest what it has (running: %s)", async (running) => {
    const cases = await killEverywhere({
      prepare: async () => withGuest({ running, disks: TWO }),
      run: (world) => createSnapshot(world, creation("s1")),
    });
    expect(cases).toBeGreaterThan(120);
  });

  test.each(["try", "require"] as const)("leaves nothing frozen (quiesce %s)", async (quiesce) => {
    await killEverywhere({
      prepare: async () => withGuest({ disks: TWO }),
      run: (world) => createSnapshot(world, creation("s1", { quiesce })),
    });
  });

  test("leaves the snapshots that were there as they are", async () => {
    await killEverywhere({
      prepare: async () => {
        const on = withGuest();
        await take(on, "s1");
        write(on, 2, "later");
        await take(on, "s2");
        write(on, 3, "latest");
        return on;
      },
      run: (world) => createSnapshot(world, creation("s3")),
    });
  });
});
