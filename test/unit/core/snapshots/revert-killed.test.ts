import { describe, expect, test } from "vitest";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import { revertSnapshot, unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { endEverywhere } from "../crashes.ts";
import { ENDINGS } from "../ends.ts";
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

describe.each(ENDINGS)("snapshot revert, %s", { timeout: 600_000 }, (_, ending) => {
  test.each([true, false])(
    "leaves what was, or what was asked for with the rest kept (running: %s)",
    async (running) => {
      await endEverywhere(ending, {
        prepare: () => written(running),
        run: (world) => revertSnapshot(world, "web1/s1", keep),
        forward: BEFORE,
        keeps: true,
      });
    },
  );

  test("brings a paused guest no further than that", async () => {
    await endEverywhere(ending, {
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
    await endEverywhere(ending, {
      prepare: () => written(true),
      run: (world) => revertSnapshot(world, "web1/s1", { discard: true, keepMs: DAY_MS }),
      forward: BEFORE,
    });
  });
});

describe.each(ENDINGS)("snapshot unrevert, %s", { timeout: 600_000 }, (_, ending) => {
  test("leaves the reverted disks, or those before the revert", async () => {
    await endEverywhere(ending, {
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

test("a new head that the guest has written to is kept, whatever it is defined with since", async () => {
  const on = await written(false);
  const before = on.machine.domains.get(UUID)?.inactive ?? "";
  const world = command(on);
  world.host.crashAtNext("define", "after");
  await expect(revertSnapshot(world, "web1/s1", keep)).rejects.toThrow("killed");
  on.disk.locks.clear();
  await virsh(on, { do: "start", domain: UUID, paused: false });
  write(on, 6, "on the new head");
  await stop(on);
  await virsh(on, { do: "define", xml: before });
  const next = command(on);
  await recoverAll(next);
  expect([...on.disk.journal.keys()]).toEqual([]);
  const kept = [...on.machine.files].filter(([, { clusters }]) => clusters.get(6) === "on the new head");
  expect(kept).toHaveLength(1);
  expect(next.notes.join()).toContain(`${kept[0]?.[0]} holds what the guest wrote`);
});
