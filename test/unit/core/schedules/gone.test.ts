/** What becomes of the schedules of an instance that is deleted, or put away for a while. */
import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { runSchedule } from "../../../../src/core/schedules/run.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { unshelveInstance } from "../../../../src/core/shelving/unshelve.ts";
import { type Bed, command, everything, stateOf, UUID } from "../world.ts";
import { create, OTHERS, ourLines, prepared, schedulesOf } from "./world.ts";

const OTHER_UUID = "22222222-2222-4333-8444-555555555555";
const now = { catchUp: false, jitter: false };
const run = (on: Bed, world = command(on)) => runSchedule(world, "nightly", now);
const gone = (on: Bed, how = {}) => deleteInstance(command(on, how), "web1", { keepVolumes: false });
const shelve = (on: Bed) => shelveInstance(command(on), "web1", { timeoutMs: 1, offload: false, folder: null });

/** web1 with two schedules, and web2 with one. */
async function three(): Promise<Bed> {
  const on = await prepared({});
  await create(command(on), { name: "weekly", catchUp: false });
  command(on).host.addFile("/disks/web2.qcow2", { content: {} });
  command(on).host.addDomain({
    name: "web2",
    uuid: OTHER_UUID,
    disks: [{ device: "vda", path: "/disks/web2.qcow2", format: "qcow2" }],
  });
  await create(command(on), { name: "of-web2", instance: "web2", catchUp: false });
  await run(on);
  return on;
}

describe("instance delete", () => {
  test("takes its schedules with it, their lines too, and nobody else's", async () => {
    const on = await three();
    const world = command(on);
    await deleteInstance(world, "web1", { keepVolumes: false });
    expect(world.asked[0]?.loses).toEqual(
      expect.arrayContaining([
        "schedule nightly (its snapshots are no longer taken)",
        "schedule weekly (its snapshots are no longer taken)",
      ]),
    );
    expect((await schedulesOf(on)).map(({ name }) => name)).toEqual(["of-web2"]);
    expect(ourLines(on)).toEqual((await schedulesOf(on))[0]?.lines);
    expect(await examine(command(on))).toEqual([]);
  });

  test("names them in its plan, and asks of none where there is none", async () => {
    const on = await three();
    const before = `${everything(on)}${on.machine.crontab}`;
    const { steps } = (await gone(on, { dryRun: true })) as PlanView;
    const step = steps.find(({ title }) => title.includes("crontab: nightly, weekly"));
    expect(step?.commands).toHaveLength(4);
    expect(`${everything(on)}${on.machine.crontab}`).toBe(before);
    const none = await prepared();
    const plan = (await gone(none, { dryRun: true })) as PlanView;
    expect(JSON.stringify(plan)).not.toMatch(/schedule|crontab/);
  });

  test("is a conflict while one of them is at work, and changes nothing", async () => {
    const on = await three();
    const [schedule] = await schedulesOf(on);
    const held = await command(on).store.lock([schedule?.id ?? ""], 0);
    const before = `${everything(on)}${on.machine.crontab}`;
    await expect(gone(on)).rejects.toMatchObject({ code: "conflict" });
    expect(`${everything(on)}${on.machine.crontab}`).toBe(before);
    await held.release();
    await gone(on);
  });

  test("goes on where cron has gone, and says so", async () => {
    const on = await three();
    on.machine.crontab = null;
    const world = command(on);
    await deleteInstance(world, "web1", { keepVolumes: false });
    expect(world.notes.join()).toContain("the lines of its schedules stay");
    expect((await schedulesOf(on)).map(({ name }) => name)).toEqual(["of-web2"]);
    // Should cron come back with them, doctor knows them for strays.
    on.machine.crontab = OTHERS;
  });
});

describe("of an instance that is shelved", () => {
  test("schedules stay, and their runs are skipped: no error, no hook, and the last good one is what it was", async () => {
    const on = await three();
    const [before] = (await schedulesOf(on)).map(({ lastGoodAt }) => lastGoodAt);
    await shelve(on);
    expect(await schedulesOf(on)).toHaveLength(3);
    on.clock.advance(86_400_000);
    const world = command(on);
    const kept = Object.keys((await stateOf(on)).snapshots);
    await run(on, world);
    expect(world.notes).toEqual(["nightly: instance web1 is shelved: nothing is taken"]);
    expect(world.host.performed).toEqual([]);
    const [schedule] = (await schedulesOf(on)).filter(({ name }) => name === "nightly");
    expect(schedule).toMatchObject({
      last: { result: "skipped", message: "instance web1 is shelved: nothing is taken" },
      lastGoodAt: before,
    });
    expect(Object.keys((await stateOf(on)).snapshots)).toEqual(kept);
    const plan = await runSchedule(command(on, { dryRun: true }), "nightly", now);
    expect(plan).toMatchObject({ steps: [], notes: [expect.stringContaining("shelved")] });
    await unshelveInstance(command(on), "web1");
    await run(on);
    expect((await schedulesOf(on)).find(({ name }) => name === "nightly")?.last).toMatchObject({ result: "done" });
  });

  test("a run that waited while it was being shelved is skipped too", async () => {
    const on = await three();
    const world = command(on);
    const { lock } = world.store;
    let shelved = false;
    world.store.lock = async (names, ...rest) => {
      if (!shelved && names.includes(UUID)) {
        shelved = true;
        await shelve(on);
      }
      return lock(names, ...rest);
    };
    await run(on, world);
    expect((await schedulesOf(on)).find(({ name }) => name === "nightly")?.last).toMatchObject({ result: "skipped" });
  });

  test("deleting it takes them, as of any other", async () => {
    const on = await three();
    await shelve(on);
    await gone(on);
    expect((await schedulesOf(on)).map(({ name }) => name)).toEqual(["of-web2"]);
    expect(await examine(command(on))).toEqual([]);
  });
});

test("doctor names a schedule whose instance somebody else deleted before estrato knew it", async () => {
  const on = await prepared({});
  on.machine.domains.clear();
  const found = await examine(command(on));
  expect(found).toMatchObject([
    { subject: "schedule nightly", problem: expect.stringContaining("web1 is not there"), mending: null },
  ]);
  expect(found[0]?.remedy).toContain("estrato schedule delete nightly");
});
