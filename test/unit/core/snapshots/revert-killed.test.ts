import { describe, test } from "vitest";
import { revertSnapshot, unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { killEverywhere } from "../crashes.ts";
import { type Bed, command, stop, take, UUID, virsh, withGuest, write } from "../world.ts";

const DAY_MS = 86_400_000;
const keep = { discard: false, keepMs: DAY_MS };
const BEFORE = { vda: { 0: "boot", 2: "first" }, vdb: { 0: "data" } };

/** s1 holds BEFORE; both disks have been written to since. */
async function written(running: boolean): Promise<Bed> {
  const on = withGuest({ disks: [{ content: { 0: "boot" } }, { content: { 0: "data" }, format: "raw" }] });
  write(on, 2, "first");
  await take(on, "s1");
  write(on, 2, "second");
  write(on, 5, "new", "vdb");
  if (!running) await stop(on);
  return on;
}

describe("snapshot revert, killed at every point", () => {
  test.each([true, false])(
    "leaves what was, or what was asked for with the rest kept (running: %s)",
    async (running) => {
      await killEverywhere({
        prepare: () => written(running),
        run: (world) => revertSnapshot(world, "web1/s1", keep),
        forward: BEFORE,
        keeps: true,
      });
    },
  );

  test("brings a paused guest no further than that", async () => {
    await killEverywhere({
      prepare: async () => {
        const on = await written(true);
        await virsh(on, { do: "suspend", domain: UUID });
        return on;
      },
      run: (world) => revertSnapshot(world, "web1/s1", keep),
      forward: BEFORE,
      keeps: true,
    });
  });

  test("with --discard leaves what was, or what was asked for", async () => {
    await killEverywhere({
      prepare: () => written(true),
      run: (world) => revertSnapshot(world, "web1/s1", { discard: true, keepMs: DAY_MS }),
      forward: BEFORE,
    });
  });
});

describe("snapshot unrevert, killed at every point", () => {
  test("leaves the reverted disks, or those before the revert", async () => {
    await killEverywhere({
      prepare: async () => {
        const on = await written(true);
        await revertSnapshot(command(on), "web1/s1", keep);
        write(on, 7, "on the reverted disk");
        return on;
      },
      run: (world) => unrevertSnapshot(world, "web1", keep),
      forward: { vda: { 0: "boot", 2: "second" }, vdb: { 0: "data", 5: "new" } },
      keeps: true,
    });
  });
});
