/** `schedule create --verify`: what was taken is looked at, before anything older goes for it. */
import { describe, expect, test } from "vitest";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { blocksIn, shareOfDay } from "../../../../src/core/backups/share.ts";
import { verifyBackup } from "../../../../src/core/backups/verify.ts";
import { measure } from "../../../../src/core/check/measure.ts";
import type { ScheduledBackup } from "../../../../src/core/model/state.ts";
import { runSchedule } from "../../../../src/core/schedules/run.ts";
import { setSchedule } from "../../../../src/core/schedules/set.ts";
import { backup } from "../backups/world.ts";
import { type Bed, backupsOf, command, TARGET, virsh } from "../world.ts";
import { create, prepared, schedulesOf } from "./world.ts";

const now = { catchUp: false, jitter: false };
const run = (on: Bed) => runSchedule(command(on), "nightly", now);
const HOW = { incremental: false, compress: false, quiesce: "off", disks: [], passphraseFile: null } as const;

describe("a schedule that verifies what it took", () => {
  const verifying = async (verify: ScheduledBackup["verify"], rotation = 9) => {
    const on = await prepared();
    on.machine.capabilities = { ...on.machine.capabilities, qemuUser: null };
    await virsh(on, { do: "make-folder", path: TARGET });
    await create(command(on), {
      task: { kind: "backup", target: TARGET, type: "nightly", ...HOW, disks: [], verify },
      retention: { rotation },
    });
    return on;
  };
  /** What rots while it is written: the next to look at it sees it. */
  const rotting = (on: Bed) => {
    const world = command(on);
    const { blockSums } = world.host;
    let looks = 0;
    world.host.blockSums = async (path, ...more) => {
      looks += 1;
      // The first look is the one that takes the sums.
      if (looks === 2) for (const id of backupsOf(on)) spoil(on, id);
      return blockSums(path, ...more);
    };
    return world;
  };
  const spoil = (on: Bed, id: string) => on.machine.files.get(`${TARGET}/${id}/vda.qcow2`)?.clusters.set(0, "rot");
  const share = (percent: number) => ({ kind: "share" as const, percent, from: 0 });
  const statuses = async (on: Bed) => (await listBackups(command(on), [TARGET])).map(({ status }) => status);

  test("fails where it is damaged, remembers that in the target, tells the hook, and check warns", async () => {
    const on = await verifying(share(100));
    command(on).host.addFile("/etc/after", { format: "raw", mode: 0o755 });
    await command(on).store.update((draft) => {
      for (const one of Object.values(draft.schedules))
        one.hooks = { before: null, after: "/etc/after", timeoutMs: 1000, failure: "abort" };
    });
    const world = rotting(on);
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringMatching(/^backup bak-[0-9a-f]{17}: damaged: .*vda.qcow2: changed between byte 0 and /),
    });
    expect(await statuses(on)).toEqual(["damaged"]);
    const [hook] = world.host.performed.filter((action) => action.do === "run-hook");
    expect(hook).toMatchObject({ environment: { ESTRATO_HOOK: "after", ESTRATO_RESULT: "integrity" } });
    const facts = await measure(command(on), null);
    expect(facts.schedules).toMatchObject([{ failure: expect.stringContaining("damaged"), goodAt: null }]);
    expect(facts.damaged).toHaveLength(1);
    // The next night's is not built on it, and is whole.
    on.clock.advance(86_400_000);
    await run(on);
    expect(await statuses(on)).toEqual(["damaged", "available"]);
    expect((await schedulesOf(on))[0]?.last).toMatchObject({ result: "done" });
  });

  test("reads each night the share that follows, so that all is read in 100/N nights", async () => {
    const on = await verifying(share(40));
    const read: boolean[][] = [];
    for (const from of [0, 40, 80, 20, 60]) {
      expect((await schedulesOf(on))[0]?.task).toMatchObject({ verify: { from } });
      read.push(blocksIn({ percent: 40, from }, "bak-00000000000000001", "vda.qcow2", 300));
      on.clock.advance(86_400_000);
      await run(on);
    }
    for (const blocks of read) expect(blocks.filter(Boolean)).toHaveLength(120);
    const nights = (count: number) => read[0]?.every((_, index) => read.slice(0, count).some((one) => one[index]));
    expect([nights(2), nights(3)]).toEqual([false, true]);
  });

  test("finds in the one share or in the other what is damaged, and says nothing of what it has not read", async () => {
    const on = await verifying(null);
    await run(on);
    const [id = ""] = backupsOf(on);
    spoil(on, id);
    const half = (from: number) => verifyBackup(command(on), [TARGET], id, { percent: 50, from });
    const [isInFirst] = blocksIn({ percent: 50, from: 0 }, id, "vda.qcow2", 1);
    expect((await half(isInFirst ? 50 : 0)).status).toBe("ok");
    expect((await half(isInFirst ? 0 : 50)).status).toBe("damaged");
  });

  test("a share that is whole does not take back that it was found damaged", async () => {
    const on = await verifying(null);
    await run(on);
    const [id = ""] = backupsOf(on);
    spoil(on, id);
    await verifyBackup(command(on), [TARGET], id);
    for (const from of [0, 50])
      expect(await verifyBackup(command(on), [TARGET], id, { percent: 50, from })).toMatchObject({ status: "damaged" });
    expect(await statuses(on)).toEqual(["damaged"]);
  });

  test("with boot starts a guest from it: one that does not come up fails the run, and the backup is available", async () => {
    const on = await verifying({ kind: "boot", timeoutMs: 3000, consoleText: null });
    await run(on);
    expect((await schedulesOf(on))[0]?.last).toMatchObject({ result: "done" });
    on.clock.advance(86_400_000);
    const world = command(on);
    world.host.agentPing = async () => false;
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringMatching(/^backup bak-[0-9a-f]{17}: unbootable: /),
    });
    expect(await statuses(on)).toEqual(["available", "available"]);
  });

  test("an older one stays where the new one is not proven, and goes where it is", async () => {
    const on = await verifying({ kind: "boot", timeoutMs: 3000, consoleText: null }, 1);
    await run(on);
    on.clock.advance(86_400_000);
    const [old = ""] = backupsOf(on);
    const world = command(on);
    world.host.agentPing = async () => false;
    await expect(runSchedule(world, "nightly", now)).rejects.toMatchObject({ code: "integrity" });
    expect(backupsOf(on)).toContain(old);
    expect(backupsOf(on)).toHaveLength(2);
    on.clock.advance(86_400_000);
    await run(on);
    expect(backupsOf(on)).toHaveLength(1);
    expect(backupsOf(on)).not.toContain(old);
  });

  test("reads while nobody is kept from the instance or the target", async () => {
    const on = await verifying(share(100), 1);
    await run(on);
    on.clock.advance(86_400_000);
    const world = command(on);
    const { blockSums } = world.host;
    let looks = 0;
    world.host.blockSums = async (path, ...more) => {
      looks += 1;
      if (looks === 2) await backup(command(on), { type: "other" }); // the first look is the one that takes the sums
      return blockSums(path, ...more);
    };
    await runSchedule(world, "nightly", now);
    expect(backupsOf(on)).toHaveLength(2);
  });

  test("says so in its plan, before what goes, and changes what it verifies", async () => {
    const on = await verifying(share(5));
    const plan = await runSchedule({ ...command(on), dryRun: true }, "nightly", now);
    expect(plan?.steps.at(-1)).toEqual({ title: "Read 5% of it", commands: [] });
    await run(on);
    const another = await verifying(share(5), 1);
    await run(another);
    another.clock.advance(86_400_000);
    const rotating = await runSchedule({ ...command(another), dryRun: true }, "nightly", now);
    const order = ["Bookmark the layers", "Read 5% of it", "Mark it void"];
    expect(rotating?.steps.map(({ title }) => title).filter((title) => order.includes(title))).toEqual(order);
    const verify = async () => (await schedulesOf(on)).map(({ task }) => (task as ScheduledBackup).verify)[0];
    await setSchedule(command(on), "nightly", { verify: share(10) });
    expect(await verify()).toEqual({ ...share(10), from: 5 });
    await setSchedule(command(on), "nightly", { verify: null });
    expect(await verify()).toBeNull();
  });
});

describe("the shares of successive days", () => {
  test.each([1, 7, 30, 50, 99, 100])("hold %i%% each, and all together, whoever asks", (percent) => {
    const days = Math.ceil(100 / percent);
    const read = Array.from({ length: days }, (_, day) =>
      blocksIn(shareOfDay(percent, new Date(Date.UTC(2025, 0, 1 + day))), "bak-1", "vda.qcow2", 300),
    );
    for (const one of read) expect(one.filter(Boolean)).toHaveLength(percent * 3);
    expect(read[0]?.every((_, block) => read.some((one) => one[block]))).toBe(true);
  });
});
