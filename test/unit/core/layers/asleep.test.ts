/** A guest whose memory was saved while it was paused: its QEMU changes no file before it is resumed. */
import { expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { pauseInstance, resumeInstance } from "../../../../src/core/instances/pause.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { resizeVolume } from "../../../../src/core/volumes/resize.ts";
import { Crash } from "../../../fake/store.ts";
import { type Bed, command, disksOf, stateOf, take, UUID, withGuest, write } from "../world.ts";

/** s1 ← s2 ← its head; it is paused. */
async function paused(): Promise<Bed> {
  const on = withGuest();
  for (const name of ["s1", "s2"]) {
    await take(on, name);
    write(on, 2, name);
  }
  await pauseInstance(command(on), "web1");
  return on;
}

const layers = async (on: Bed) => Object.keys((await stateOf(on)).layers).length;

test("nothing is merged under it until then, and nothing stays half done", async () => {
  const on = await paused();
  await take(on, "m1", { memory: true });
  const [before, held] = [await layers(on), await disksOf(on)];
  await deleteSnapshot(command(on), "web1/s1", { children: false });
  expect([on.disk.journal.size, await layers(on)]).toEqual([0, before]);
  expect(await examine(command(on))).toEqual([]);
  await expect(resizeVolume(command(on), "web1/vda", 2 ** 30)).rejects.toMatchObject({
    code: "conflict",
    hint: expect.stringContaining("instance resume web1"),
  });
  await resumeInstance(command(on), "web1");
  expect(await layers(on)).toBe(before - 1);
  expect(await disksOf(on)).toEqual(held);
});

test("a merge that was begun before keeps it from nothing but running on", async () => {
  const on = await paused();
  const dying = command(on);
  dying.host.crashAtNext("block-commit", "before");
  await expect(deleteSnapshot(dying, "web1/s1", { children: false })).rejects.toThrow(Crash);
  dying.store.crash();
  Object.assign(on.machine.domains.get(UUID) ?? {}, { asleep: true });
  await resumeInstance(command(on), "web1");
  expect(on.machine.domains.get(UUID)?.state).toBe("running");
  await pauseInstance(command(on), "web1");
  expect(on.disk.journal.size).toBe(0);
  expect(await examine(command(on))).toEqual([]);
});
