/** On a disk that is nearly full only what fits is merged; what does not waits, and keeps nothing from being done. */
import { expect, test } from "vitest";
import { collect } from "../../../../src/core/layers/collect.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { requireSound } from "../crashes.ts";
import { type Bed, command, disksOf, stateOf, stop, take, withGuest, write } from "../world.ts";

/** s1 and s2 above each other; what was written between them. */
async function withTwo(running: boolean, ...clusters: readonly number[]): Promise<Bed> {
  const on = withGuest();
  await take(on, "s0");
  write(on, 3, "below");
  await take(on, "s1");
  for (const cluster of clusters) write(on, cluster, "between");
  await take(on, "s2");
  write(on, 9, "last");
  if (!running) await stop(on);
  return on;
}

const files = (on: Bed) => [...on.machine.files.keys()].filter((path) => path.includes("/layers/")).length;
const FULL_BYTES = 1024 * 1024;

test.each([true, false])("a merge that does not fit waits until there is room (running: %s)", async (running) => {
  const on = await withTwo(running, 4, 5);
  const [before, disks] = [files(on), await disksOf(on)];
  on.machine.freeBytes = FULL_BYTES;
  const world = command(on);
  await deleteSnapshot(world, "web1/s1", { children: false });
  expect(world.notes).toEqual([
    expect.stringMatching(
      /^lay-\w+: not collected now \(merging layer lay-\w+: needs 1\.\d MiB in .*, 1 MiB are free\)/,
    ),
  ]);
  expect([files(on), on.disk.journal.size]).toEqual([before, 0]);
  expect(Object.values((await stateOf(on)).layers).filter(({ busy }) => busy !== null)).toEqual([]);
  on.machine.freeBytes = 2 ** 40;
  await collect(command(on));
  expect([files(on), await disksOf(on)]).toEqual([before - 1, disks]);
  await requireSound(on, "merged");
});

test("one that only writes over what is there needs no room, and makes some", async () => {
  const on = await withTwo(false, 3);
  const before = files(on);
  on.machine.freeBytes = 0;
  await deleteSnapshot(command(on), "web1/s1", { children: false });
  expect(files(on)).toBe(before - 1);
  await requireSound(on, "merged");
});
