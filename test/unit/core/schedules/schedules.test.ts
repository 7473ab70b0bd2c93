import { describe, expect, test } from "vitest";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import type { ScheduledBackup } from "../../../../src/core/model/state.ts";
import { deleteSchedule } from "../../../../src/core/schedules/delete.ts";
import { runSchedule } from "../../../../src/core/schedules/run.ts";
import { viewSchedules } from "../../../../src/core/schedules/view.ts";
import { pruneSnapshots, setSnapshot } from "../../../../src/core/snapshots/set.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { backup } from "../backups/world.ts";
import { type Bed, command, creation, everything, stateOf, stop, TARGET, take, UUID, virsh } from "../world.ts";
import { create, OTHERS, ourLines, prepared, schedulesOf } from "./world.ts";

const now = { catchUp: false, jitter: false };
const run = (on: Bed, options = now) => runSchedule(command(on), "nightly", options);
const names = async (on: Bed) =>
  Object.values((await stateOf(on)).snapshots)
    .sort((a, b) => a.createdAt.localeCompare(b.createdAt))
    .map(({ createdAt }) => createdAt.slice(0, 10));

describe("schedule create", () => {
  test("records it and writes its lines, and no other line is touched", async () => {
    const on = await prepared({});
    const [schedule] = await schedulesOf(on);
    const words =
      "/usr/bin/node /opt/estrato/bin/estrato schedule run sch-00000000000000001 --jitter --quiet --store /fake/estrato --connect qemu:///system";
    expect(ourLines(on)).toEqual([
      `0 3 * * * ${words} # estrato:sch-00000000000000001`,
      `@reboot ${words.replace("--jitter", "--jitter --catch-up")} # estrato:sch-00000000000000001`,
    ]);
    expect(schedule).toMatchObject({ name: "nightly", instance: UUID, instanceName: "web1", lines: ourLines(on) });
    expect(await examine(command(on))).toEqual([]);
  });

  test("a name or a store that a shell would read otherwise is data: the line has the id alone", async () => {
    const on = await prepared();
    await create(command(on), { name: "$(reboot) % ; `x`" });
    expect(ourLines(on).join()).not.toContain("reboot)");
    await deleteSchedule(command(on), "$(reboot) % ; `x`");
    expect(on.machine.crontab).toBe(OTHERS);
  });

  test.each([
    ["a name that is no name", { name: "a/b" }, "usage"],
    ["a time that is none", { cron: "every day" }, "usage"],
    ["no such instance", { instance: "web9" }, "not_found"],
    ["nothing that would remove its snapshots", { retention: null }, "usage"],
    ["an empty policy", { retention: { daily: 0 } }, "usage"],
    ["no such zone", { zone: "Berlin" }, "usage"],
    ["a name that is taken", { name: "taken" }, "conflict"],
  ] as const)("%s: refused, and nothing changes", async (_, change, code) => {
    const on = await prepared({ name: "taken" });
    const before = `${everything(on)}${on.machine.crontab}`;
    await expect(create(command(on), change)).rejects.toMatchObject({ code });
    expect(`${everything(on)}${on.machine.crontab}`).toBe(before);
  });

  test("no crontab on this machine: host, and nothing is recorded", async () => {
    const on = await prepared();
    on.machine.crontab = null;
    await expect(create(command(on))).rejects.toMatchObject({ code: "host" });
    expect(await schedulesOf(on)).toEqual([]);
  });

  test("cron refuses to take the lines: nothing is left of it", async () => {
    const on = await prepared();
    const world = command(on);
    world.host.failNext("set-crontab", new EstratoError("failed", "crontab: you are not allowed to use this program"));
    await expect(create(world)).rejects.toMatchObject({ code: "failed" });
    expect([await schedulesOf(on), on.machine.crontab, on.disk.journal.size]).toEqual([[], OTHERS, 0]);
  });

  test("a dry run shows the line and changes nothing", async () => {
    const on = await prepared();
    const before = everything(on);
    const plan = await create(command(on, { dryRun: true }));
    expect(plan).toMatchObject({ steps: [{}, { commands: [{ program: "crontab" }, { program: "crontab" }] }] });
    expect(JSON.stringify(plan)).toContain("schedule run sch-");
    expect([everything(on), on.machine.crontab]).toEqual([before, OTHERS]);
  });
});

describe("schedule run", () => {
  test("takes a snapshot, keeps as many as the rotation says, and touches nobody else's", async () => {
    const on = await prepared({});
    await take(on, "mine");
    await take(on, "kept", { properties: { schedule: "weekly" } });
    for (let night = 0; night < 4; night += 1) {
      on.clock.advance(86_400_000);
      await run(on);
    }
    const all = Object.values((await stateOf(on)).snapshots);
    expect(all.map(({ name }) => name)).toEqual(expect.arrayContaining(["mine", "kept"]));
    expect((await names(on)).slice(2)).toEqual(["2025-01-04", "2025-01-05"]);
    expect((await schedulesOf(on))[0]).toMatchObject({
      last: { result: "done", message: null },
      lastGoodAt: "2025-01-05T00:02:00.000Z",
    });
  });

  test("its id says what is its own: neither a property that somebody set nor a schedule that had its name does", async () => {
    const on = await prepared({ retention: { rotation: 1 } });
    await run(on);
    const [first] = Object.values((await stateOf(on)).snapshots);
    await take(on, "mine", { properties: { schedule: "nightly" } });
    await deleteSchedule(command(on), "nightly");
    await create(command(on), { retention: { rotation: 1 } });
    for (let night = 0; night < 2; night += 1) {
      on.clock.advance(86_400_000);
      await run(on);
    }
    const all = Object.values((await stateOf(on)).snapshots);
    const [schedule] = await schedulesOf(on);
    expect(all.map(({ name, schedule: by }) => [name, by ?? null])).toEqual([
      [first?.name, first?.schedule],
      ["mine", null],
      [expect.any(String), schedule?.id],
    ]);
    expect(first?.schedule).not.toBe(schedule?.id);
  });

  test("says nothing when it goes well", async () => {
    const on = await prepared({});
    await take(on, null);
    const world = command(on);
    await runSchedule(world, "nightly", now);
    expect(world.notes).toEqual([]);
  });

  test("a protected one is neither removed nor counted", async () => {
    const on = await prepared({ retention: { rotation: 1 } });
    await run(on);
    const [first] = Object.values((await stateOf(on)).snapshots);
    await setSnapshot(command(on), first?.id ?? "", { protect: true });
    for (let night = 0; night < 2; night += 1) {
      on.clock.advance(86_400_000);
      await run(on);
    }
    expect(await names(on)).toEqual(["2025-01-01", "2025-01-03"]);
  });

  test("with --expire the expired ones go, its own and others", async () => {
    const task = { kind: "snapshot", quiesce: "off", memory: false, expireMs: 36 * 3_600_000 } as const;
    const on = await prepared({ retention: null, task });
    await take(on, "short", { expiresAt: "2025-01-01T12:00:00.000Z" });
    for (let night = 0; night < 4; night += 1) {
      await run(on);
      on.clock.advance(86_400_000);
    }
    expect(await names(on)).toEqual(["2025-01-03", "2025-01-04"]);
  });

  test("one that fails removes nothing that its rotation would have, is remembered, and its error comes out", async () => {
    const on = await prepared({ retention: { rotation: 1 } });
    await run(on);
    on.clock.advance(86_400_000);
    const world = command(on);
    world.host.failNext("switch-disks", new EstratoError("failed", "virsh snapshot-create-as: no"));
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ code: "failed" });
    expect(await names(on)).toEqual(["2025-01-01"]);
    expect((await schedulesOf(on))[0]).toMatchObject({
      last: { startedAt: "2025-01-02T00:00:00.000Z", result: "failed", message: "virsh snapshot-create-as: no" },
      lastGoodAt: "2025-01-01T00:00:00.000Z",
    });
  });

  test("what has expired goes even where the new one fails: it may be what was in the way", async () => {
    const on = await prepared({});
    await take(on, "old", { expiresAt: "2025-01-01T12:00:00.000Z" });
    on.clock.advance(86_400_000);
    const world = command(on);
    world.host.failNext("switch-disks", new EstratoError("failed", "no"));
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ code: "failed" });
    expect(await names(on)).toEqual([]);
  });

  test("what keeps another instance's snapshot from going is no failure of this one: a note says it, and others go", async () => {
    const on = await prepared({});
    const { host } = command(on);
    host.addFile("/disks/web2.qcow2", { content: { 0: "boot" } });
    const uuid = host.addDomain({
      name: "web2",
      disks: [{ device: "vda", path: "/disks/web2.qcow2", format: "qcow2" }],
    });
    const expiresAt = "2025-01-01T12:00:00.000Z";
    for (const instance of ["web2", "web1"]) await take(on, "old", { instance, expiresAt });
    on.clock.advance(86_400_000);
    const world = command(on);
    const { lock } = world.store;
    world.store.lock = async (names, ...how) => {
      if (names.includes(uuid)) throw new EstratoError("integrity", "instance web2: its disks disagree");
      return lock(names, ...how);
    };
    await runSchedule(world, "nightly", now);
    expect((await schedulesOf(on))[0]?.last).toMatchObject({ result: "done" });
    expect(world.notes.join()).toContain("web2: its disks disagree");
    await virsh(on, { do: "make-folder", path: TARGET });
    expect(await backup(world)).toMatchObject({ incremental: false });
    expect(Object.values((await stateOf(on)).snapshots).map(({ instance, name }) => [instance, name])).toEqual([
      [uuid, "old"],
      [UUID, expect.any(String)],
    ]);
    await expect(pruneSnapshots(world)).rejects.toMatchObject({ code: "integrity" });
  });

  test("waits the jitter, never longer, only where it is asked to", async () => {
    const on = await prepared({ jitterMs: 600_000 });
    on.ids.next = (prefix) => `${prefix}-000000000${"80000000"}`;
    await run(on);
    expect(on.clock.slept).toEqual([]);
    await run(on, { catchUp: false, jitter: true }).catch(() => undefined);
    expect(on.clock.slept).toEqual([300_000]);
  });

  test("--catch-up runs what was missed, once, and nothing else", async () => {
    const on = await prepared({});
    const missed = { catchUp: true, jitter: false };
    const at = (hour: number, day = 1) => on.clock.set(new Date(2025, 0, day, hour, 30));
    at(2);
    await run(on, missed);
    expect(await names(on)).toHaveLength(0);
    at(9, 3);
    await run(on, missed);
    await run(on, missed);
    expect(await names(on)).toHaveLength(1);
    at(2, 4);
    await run(on, missed);
    expect(await names(on)).toHaveLength(1);
    at(4, 4);
    await run(on, missed);
    expect(await names(on)).toHaveLength(2);
  });

  test("while its last run is at work: conflict, and nothing is recorded over that one", async () => {
    const on = await prepared({});
    const [{ id } = { id: "" }] = await schedulesOf(on);
    const other = await command(on).store.lock([id], 0);
    await expect(run(on)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("still at work"),
    });
    await expect(deleteSchedule(command(on), "nightly")).rejects.toMatchObject({ code: "conflict" });
    await other.release();
    expect((await schedulesOf(on))[0]?.last).toBeNull();
  });

  test("waits for an instance that is busy, as long as the schedule says and no longer", async () => {
    const on = await prepared({ lockTimeoutMs: 5_000 });
    await create(command(on), { name: "hasty", lockTimeoutMs: 20 });
    const busy = await command(on).store.lock([UUID], 0);
    await expect(runSchedule(command(on), "hasty", now)).rejects.toMatchObject({ code: "conflict" });
    const waiting = run(on);
    await busy.release();
    await waiting;
    expect((await schedulesOf(on)).map(({ name, last }) => [name, last?.result])).toEqual([
      ["nightly", "done"],
      ["hasty", "conflict"],
    ]);
  });

  test("deleted while it waited its turn: nothing is taken, and nobody is told", async () => {
    const on = await prepared({ jitterMs: 600_000 });
    const world = command(on);
    const sleep = world.clock.sleep;
    const waiting = {
      ...world.clock,
      sleep: async (ms: number) => {
        await deleteSchedule(command(on), "nightly");
        await sleep(ms);
      },
    };
    await runSchedule({ ...world, clock: waiting }, "nightly", { catchUp: false, jitter: true });
    expect([await names(on), world.notes]).toEqual([[], []]);
  });

  test("an instance that is off is no obstacle; one that is gone is an error", async () => {
    const on = await prepared({});
    await stop(on);
    await run(on);
    expect(await names(on)).toHaveLength(1);
    on.machine.domains.clear();
    await expect(run(on)).rejects.toMatchObject({ code: "integrity" });
  });

  test("a dry run returns the plan, and remembers nothing", async () => {
    const on = await prepared({});
    const before = everything(on);
    const plan = await runSchedule(command(on, { dryRun: true }), "nightly", now);
    expect(JSON.stringify(plan)).toContain("snapshot-create-as");
    expect(everything(on)).toBe(before);
  });
});

describe("schedule delete", () => {
  test("takes its lines and its record, and leaves the rest", async () => {
    const on = await prepared({});
    await create(command(on), { name: "weekly", catchUp: false });
    await run(on);
    await deleteSchedule(command(on), "nightly");
    expect((await schedulesOf(on)).map(({ name }) => name)).toEqual(["weekly"]);
    expect(ourLines(on)).toEqual((await schedulesOf(on))[0]?.lines);
    expect(await names(on)).toHaveLength(1);
    await expect(deleteSchedule(command(on), "nightly")).rejects.toMatchObject({ code: "not_found" });
  });
});

test("a list says when it comes next, and how the last one went", async () => {
  const on = await prepared({});
  on.clock.set(new Date(2025, 0, 1, 12));
  await run(on);
  expect(viewSchedules(await stateOf(on), on.clock.now(), on.machine.timeZone)).toMatchObject([
    {
      name: "nightly",
      kind: "snapshot",
      instance: "web1",
      next_run_at: new Date(2025, 0, 2, 3).toISOString(),
      last_run_at: on.clock.now().toISOString(),
      last_result: "done",
      retention: { rotation: 2 },
    },
  ]);
});

test("a state that an older estrato wrote has no schedules and no backups, and takes the first", async () => {
  const on = await prepared();
  await take(on, "s1", creation("s1"));
  const state = JSON.parse(on.disk.state ?? "");
  state.version = 1;
  for (const table of ["schedules", "bookmarks", "targets"]) delete state[table];
  on.disk.state = JSON.stringify(state);
  expect(await stateOf(on)).toMatchObject({ schedules: {}, bookmarks: {}, targets: {} });
  await create(command(on));
  expect(await schedulesOf(on)).toHaveLength(1);
});

describe("doctor", () => {
  test("puts lines back that somebody has removed or changed", async () => {
    for (const spoil of ["", `${OTHERS}0 4 * * * other # estrato:sch-00000000000000001\n`]) {
      const on = await prepared({});
      const lines = ourLines(on);
      on.machine.crontab = spoil;
      expect(await examine(command(on))).toMatchObject([{ subject: "schedule nightly" }]);
      expect(await repair(command(on))).toMatchObject([{ subject: "schedule nightly", result: "mended" }]);
      expect(on.machine.crontab?.endsWith(`${lines.join("\n")}\n`)).toBe(true);
      expect(await examine(command(on))).toEqual([]);
    }
  });

  test("removes lines of this store that nothing remembers, and no other store's", async () => {
    const on = await prepared({});
    const elsewhere = ourLines(on).map((line) =>
      line.replace("/fake/estrato", "/fake/estrato2").replaceAll("01", "02"),
    );
    on.machine.crontab += `${elsewhere.join("\n")}\n`;
    on.disk.state = JSON.stringify({ ...JSON.parse(on.disk.state ?? ""), schedules: {} });
    expect(await schedulesOf(on)).toEqual([]);
    expect(await examine(command(on))).toMatchObject([{ subject: "the crontab" }]);
    await repair(command(on));
    expect(on.machine.crontab).toBe(`${OTHERS}${elsewhere.join("\n")}\n`);
    expect(await examine(command(on))).toEqual([]);
  });

  test("says where cron is gone, but not on a machine that never needed it", async () => {
    const on = await prepared({});
    on.machine.crontab = null;
    expect(await examine(command(on))).toMatchObject([{ subject: "crontab", mending: null }]);
    const without = await prepared();
    without.machine.crontab = null;
    expect(await examine(command(without))).toEqual([]);
  });
});

describe("a schedule of backups", () => {
  const task: ScheduledBackup = {
    kind: "backup",
    target: TARGET,
    type: "nightly",
    incremental: true,
    compress: false,
    quiesce: "off",
    disks: [],
    passphraseFile: null,
    verify: null,
  };
  const withBackups = async () => {
    const on = await prepared();
    await virsh(on, { do: "make-folder", path: TARGET });
    await create(command(on), { task });
    return on;
  };
  const backups = async (on: Bed) =>
    (await listBackups(command(on), [TARGET])).map(({ type, created_at }) => [type, created_at?.slice(0, 10)]);

  test("takes one, and keeps of its type as many as its rotation says", async () => {
    const on = await withBackups();
    await backup(command(on), { type: "weekly" });
    for (let night = 0; night < 3; night += 1) {
      on.clock.advance(86_400_000);
      await run(on);
    }
    expect(await backups(on)).toEqual([
      ["weekly", "2025-01-01"],
      ["nightly", "2025-01-03"],
      ["nightly", "2025-01-04"],
    ]);
    expect((await schedulesOf(on))[0]?.last).toMatchObject({ result: "done" });
  });

  test("removes the snapshots that have expired", async () => {
    const on = await withBackups();
    await take(on, "old", { expiresAt: "2025-01-01T12:00:00.000Z" });
    on.clock.advance(86_400_000);
    await run(on);
    expect(await names(on)).toEqual([]);
  });

  test("whose target is not mounted fails with the reason, and evicts nothing", async () => {
    const on = await withBackups();
    await run(on);
    const files = [...on.machine.files].filter(([path]) => path.startsWith(TARGET));
    for (const [path] of files) on.machine.files.delete(path);
    on.clock.advance(86_400_000);
    await expect(run(on)).rejects.toMatchObject({ code: "host" });
    expect((await schedulesOf(on))[0]).toMatchObject({
      last: { result: "host", message: expect.stringContaining("not there") },
      lastGoodAt: "2025-01-01T00:00:00.000Z",
    });
    for (const [path, file] of files) on.machine.files.set(path, file);
    expect(await backups(on)).toEqual([["nightly", "2025-01-01"]]);
  });

  test("needs a rotation or rules to keep", async () => {
    const on = await prepared();
    await expect(create(command(on), { task, retention: null })).rejects.toMatchObject({ code: "usage" });
    await expect(create(command(on), { task: { ...task, type: "a/b" } })).rejects.toMatchObject({ code: "usage" });
  });
});
