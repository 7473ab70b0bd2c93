import { describe, expect, test } from "vitest";
import { judge, type Limits } from "../../../../src/core/check/judge.ts";
import { type Facts, measure, type ScheduleFacts } from "../../../../src/core/check/measure.ts";
import { runSchedule } from "../../../../src/core/schedules/run.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { unshelveInstance } from "../../../../src/core/shelving/unshelve.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { pruneSnapshots } from "../../../../src/core/snapshots/set.ts";
import { backup } from "../backups/world.ts";
import { create, prepared } from "../schedules/world.ts";
import { type Bed, command, creation, stateOf, TARGET, take, virsh } from "../world.ts";

const HOUR = 3_600_000;
const NOW = new Date("2026-11-21T12:00:00Z");
const ago = (hours: number) => new Date(NOW.getTime() - hours * HOUR);
const limits: Limits = {
  graceMs: HOUR,
  warningAgeMs: null,
  criticalAgeMs: null,
  leastKept: 0,
  warningFreeBytes: 2000,
  criticalFreeBytes: 1000,
  warningLayers: 16,
  criticalLayers: 23,
};
const well: ScheduleFacts = {
  name: "nightly",
  instance: "web1",
  kind: "backup",
  goodAt: ago(9),
  dueAt: ago(-15),
  dueNextAt: ago(-39),
  jitterMs: 0,
  shelved: false,
  ahead: [],
  obstacles: [],
  failure: null,
  kept: 7,
};
const fine: Facts = {
  now: NOW,
  schedules: [well],
  newestBackupAt: null,
  chains: [{ instance: "web1", layers: 3 }],
  folders: [{ path: "/layers", freeBytes: 5000 }],
  damaged: [],
  unreadable: [],
  unwritable: [],
  interrupted: [],
  reading: [],
};
const with_ = (change: Partial<ScheduleFacts>): Facts => ({ ...fine, schedules: [{ ...well, ...change }] });

describe("what is well, and what is not", () => {
  test.each([
    ["all is well", fine, {}, 0],
    ["a run is due, within the grace", with_({ dueAt: ago(0.5) }), {}, 0],
    ["within the grace and the jitter", with_({ dueAt: ago(1.5), jitterMs: HOUR }), {}, 0],
    ["one run was missed", with_({ dueAt: ago(1.5) }), {}, 1],
    ["two runs were missed", with_({ dueAt: ago(25), dueNextAt: ago(1.5) }), {}, 2],
    ["there was none yet, and none is due", with_({ goodAt: null, kept: 0 }), {}, 0],
    ["there was none, though one was due", with_({ goodAt: null, kept: 0, dueAt: ago(2) }), {}, 1],
    ["the last run failed, and none was missed yet", with_({ failure: "no space" }), {}, 1],
    ["one from the future", with_({ ahead: ["a backup is dated 2027-12-31"] }), {}, 1],
    ["a program that is gone", with_({ obstacles: [{ problem: "gone", remedy: "", stops: true }] }), {}, 2],
    ["a hook that is gone, and only warns", with_({ obstacles: [{ problem: "", remedy: "", stops: false }] }), {}, 1],
    ["an old one of an instance that is shelved", with_({ shelved: true, dueAt: null }), { criticalAgeMs: 1 }, 0],
    ["older than was asked for", fine, { warningAgeMs: 8 * HOUR }, 1],
    ["as old as was asked for", fine, { warningAgeMs: 9 * HOUR }, 0],
    ["much older", fine, { warningAgeMs: 1, criticalAgeMs: 8 * HOUR }, 2],
    ["fewer kept than wanted", with_({ kept: 2 }), { leastKept: 3 }, 1],
    ["a target that cannot be read", { ...fine, unreadable: ["/b: not mounted"] }, {}, 2],
    ["a backup that is damaged", { ...fine, damaged: [{ backup: "bak-1", why: "rot" }] }, {}, 1],
    ["little space", { ...fine, folders: [{ path: "/l", freeBytes: 1999 }] }, {}, 1],
    ["no space", { ...fine, folders: [{ path: "/l", freeBytes: 999 }] }, {}, 2],
    ["a high chain", { ...fine, chains: [{ instance: "web1", layers: 16 }] }, {}, 1],
    ["one at its end", { ...fine, chains: [{ instance: "web1", layers: 23 }] }, {}, 2],
    ["an interrupted operation", { ...fine, interrupted: ["estrato snapshot create web1"] }, {}, 1],
  ] as const)("%s", (_, facts, change, level) => {
    const judged = judge(facts, { ...limits, ...change }, null);
    expect(judged.level).toBe(level);
    expect(judged.problems).toHaveLength(level === 0 ? 0 : 1);
  });

  test("the worst comes first, and gives the level", () => {
    const facts = { ...with_({ failure: "no" }), folders: [{ path: "/l", freeBytes: 1 }] };
    expect(judge(facts, limits, null)).toEqual({ level: 2, problems: ["/l: 1 B free", "nightly failed: no"] });
  });

  test("an instance that nobody looks after is not known to be well; critical is worse than unknown", () => {
    const none = { ...fine, schedules: [] };
    expect(judge(none, limits, null).level).toBe(0);
    expect(judge(none, limits, "web1")).toEqual({ level: 3, problems: ["web1 has no schedule and no backup"] });
    const backed = { ...none, newestBackupAt: ago(5) };
    expect(judge(backed, limits, "web1").level).toBe(3);
    expect(judge(backed, { ...limits, criticalAgeMs: 6 * HOUR }, "web1").level).toBe(0);
    expect(judge(backed, { ...limits, criticalAgeMs: 4 * HOUR }, "web1").level).toBe(2);
    const full = { ...none, folders: [{ path: "/l", freeBytes: 1 }] };
    expect(judge(full, limits, "web1").level).toBe(2);
  });
});

describe("what is looked at", () => {
  const backups = {
    kind: "backup" as const,
    target: TARGET,
    type: "daily",
    incremental: true,
    compress: false,
    quiesce: "off" as const,
    disks: [],
    passphraseFile: null,
    verify: null,
  };
  const facts = (on: Bed, target: string | null = null) => measure(command(on), target);
  const now = { catchUp: false, jitter: false };

  test("a schedule of snapshots: what is there counts, not what was said to be", async () => {
    const on = await prepared({});
    expect((await facts(on)).schedules).toMatchObject([{ name: "nightly", goodAt: null, kept: 0, failure: null }]);
    await runSchedule(command(on), "nightly", now);
    await take(on, "mine");
    const made = on.clock.now();
    expect((await facts(on, "web1")).schedules).toMatchObject([{ kept: 1, goodAt: new Date(made.getTime() - 60_000) }]);
    const [one] = Object.values((await stateOf(on)).snapshots).filter(({ properties }) => properties.schedule);
    await deleteSnapshot(command(on), one?.id ?? "", { children: false });
    expect((await facts(on)).schedules).toMatchObject([{ goodAt: null, kept: 0 }]);
    expect((await facts(on)).chains).toEqual([{ instance: "web1", layers: 2 }]);
  });

  test("a snapshot that has expired is gone as it should be: its schedule is not late for that", async () => {
    const task = { kind: "snapshot", quiesce: "off", memory: false, expireMs: HOUR } as const;
    const on = await prepared({ retention: null, task });
    await runSchedule(command(on), "nightly", now);
    const made = on.clock.now();
    on.clock.advance(2 * HOUR);
    await pruneSnapshots(command(on));
    expect((await facts(on)).schedules).toMatchObject([{ goodAt: made, kept: 0 }]);
  });

  test("a schedule of backups: those of its type in its target; a damaged one is none", async () => {
    const on = await prepared();
    await virsh(on, { do: "make-folder", path: TARGET });
    await create(command(on), { task: backups });
    await runSchedule(command(on), "nightly", now);
    on.clock.advance(HOUR);
    await backup(command(on), { type: "weekly" });
    const found = await facts(on, "web1");
    expect(found.schedules).toMatchObject([{ kind: "backup", kept: 1, goodAt: new Date("2025-01-01T00:00:00Z") }]);
    expect(found.newestBackupAt).toEqual(new Date("2025-01-01T01:00:00Z"));
    expect(found.folders.map(({ path }) => path)).toEqual(["/fake/estrato/layers", TARGET]);
    for (const [path, file] of on.machine.files) if (/bak-[^/]*\/manifest/.test(path)) file.text = "{";
    expect(await facts(on, "web1")).toMatchObject({ schedules: [{ kept: 0, goodAt: null }], newestBackupAt: null });
  });

  test("a target that is not mounted: said, and the last good one is what the record says", async () => {
    const on = await prepared();
    await virsh(on, { do: "make-folder", path: TARGET });
    await create(command(on), { task: backups });
    await runSchedule(command(on), "nightly", now);
    for (const path of on.machine.files.keys()) if (path.startsWith(TARGET)) on.machine.files.delete(path);
    expect(await facts(on)).toMatchObject({
      unreadable: [expect.stringContaining("not there")],
      schedules: [{ kept: null, goodAt: new Date("2025-01-01T00:00:00Z") }],
      folders: [{ path: "/fake/estrato/layers" }],
    });
  });

  test("what is dated in the future is not fresh: its schedule is late by what is known, and that is said", async () => {
    const on = await prepared({});
    on.clock.advance(400 * 24 * HOUR);
    await runSchedule(command(on), "nightly", now);
    on.clock.advance(-370 * 24 * HOUR);
    const found = await facts(on, "web1");
    expect(found.schedules).toMatchObject([{ goodAt: null, kept: 1, ahead: [expect.stringContaining("2026-02-05")] }]);
    const judged = judge(found, { ...limits, criticalFreeBytes: 0, warningFreeBytes: 0 }, null);
    expect(judged).toMatchObject({ level: 2, problems: ["nightly is late: none yet", expect.stringMatching("ahead")] });
    await runSchedule(command(on), "nightly", { catchUp: true, jitter: false });
    expect((await facts(on)).schedules).toMatchObject([{ goodAt: on.clock.now(), kept: 2 }]);
    const before = (await stateOf(on)).schedules;
    await runSchedule(command(on), "nightly", { catchUp: true, jitter: false });
    expect((await stateOf(on)).schedules).toEqual(before);
  });

  test("nothing of a shelved instance is late, nor right after it is back", async () => {
    const on = await prepared({});
    await runSchedule(command(on), "nightly", now);
    await shelveInstance(command(on), "web1", { timeoutMs: 1, offload: false, folder: null });
    on.clock.advance(50 * HOUR);
    const look = async () => {
      const found = await facts(on);
      return [found.schedules, judge(found, { ...limits, criticalFreeBytes: 0, warningFreeBytes: 0 }, null)];
    };
    expect(await look()).toMatchObject([[{ shelved: true, dueAt: null, failure: null }], { level: 0 }]);
    await runSchedule(command(on), "nightly", now);
    expect(await look()).toMatchObject([[{ shelved: true, failure: null }], { level: 0 }]);
    await unshelveInstance(command(on), "web1");
    expect(await look()).toMatchObject([[{ shelved: false, failure: null }], { level: 0 }]);
    on.clock.advance(26 * HOUR);
    expect(await look()).toMatchObject([[{ shelved: false }], { level: 1 }]);
  });

  test("an operation whose owner died is interrupted; one at work is not; nothing is changed by the look", async () => {
    const on = await prepared({});
    const entry = {
      id: "op-00000000000000001",
      kind: "snapshot.create",
      version: 1,
      locks: ["11111111-2222-4333-8444-555555555555"],
      createdAt: on.clock.now().toISOString(),
      command: "estrato snapshot create web1",
      data: {},
    };
    await command(on).store.journal.open(entry);
    const owner = await command(on).store.lock(entry.locks, 0);
    expect((await facts(on)).interrupted).toEqual([]);
    await owner.release();
    expect((await facts(on)).interrupted).toEqual(["estrato snapshot create web1"]);
    expect((await facts(on, "web1")).interrupted).toHaveLength(1);
    expect([on.disk.journal.size, on.disk.locks.size]).toEqual([1, 0]);
  });

  test("only what concerns the instance that is asked about; one that is not there is an error", async () => {
    const on = await prepared({});
    command(on).host.addFile("/disks/web2.qcow2", { content: {} });
    command(on).host.addDomain({
      name: "web2",
      uuid: "22222222-2222-4333-8444-555555555555",
      disks: [{ device: "vda", path: "/disks/web2.qcow2", format: "qcow2" }],
    });
    await take(on, "s", creation("s"));
    expect(await facts(on, "web2")).toMatchObject({ schedules: [], chains: [] });
    await expect(facts(on, "web9")).rejects.toMatchObject({ code: "not_found" });
  });
});
