/** What a schedule needs at night and that has gone since it was made is told by day. */
import { describe, expect, test } from "vitest";
import { measure } from "../../../../src/core/check/measure.ts";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { type Bed, command, TARGET, virsh } from "../world.ts";
import { create, launch, prepared } from "./world.ts";

const HOOK = "/usr/local/bin/hook";
const said = async (on: Bed) =>
  (await examine(command(on))).filter(({ subject }) => subject === "schedule nightly").map(({ problem }) => problem);
const checked = async (on: Bed) =>
  (await measure(command(on), null)).schedules.flatMap(({ obstacles }) => obstacles.map(({ stops }) => stops));

async function withHook(failure: "abort" | "warn"): Promise<Bed> {
  const on = await prepared();
  command(on).host.addFile(HOOK, { format: "raw", mode: 0o755 });
  await create(command(on), { hooks: { before: HOOK, after: null, timeoutMs: 1000, failure } });
  return on;
}

describe("doctor and check see", () => {
  test("that the program in the line of cron is gone", async () => {
    const on = await prepared({});
    expect([await said(on), await checked(on)]).toEqual([[], []]);
    on.machine.files.delete(launch.program);
    expect(await said(on)).toEqual([`its line starts ${launch.program}, which is not there: it never runs`]);
    expect(await checked(on)).toEqual([true]);
  });

  test("a program whose path the line must quote", async () => {
    const on = await prepared();
    const path = "/opt/it's 100%/estrato";
    command(on).host.addFile(path, { format: "raw", mode: 0o755 });
    const { createSchedule } = await import("../../../../src/core/schedules/create.ts");
    const { wanted } = await import("./world.ts");
    await createSchedule(command(on), wanted(), { ...launch, program: path });
    expect(await said(on)).toEqual([]);
    on.machine.files.delete(path);
    expect(await said(on)).toEqual([`its line starts ${path}, which is not there: it never runs`]);
  });

  test.each([["abort", true] as const, ["warn", false] as const])(
    "that a hook is gone (%s)",
    async (failure, stops) => {
      const on = await withHook(failure);
      expect(await said(on)).toEqual([]);
      on.machine.files.delete(HOOK);
      expect(await said(on)).toEqual([`hook ${HOOK}: there is no such file`]);
      expect(await checked(on)).toEqual([stops]);
    },
  );

  test("that its target is gone", async () => {
    const on = await prepared();
    await virsh(on, { do: "make-folder", path: TARGET });
    const how = {
      incremental: true,
      compress: false,
      quiesce: "off" as const,
      disks: [],
      passphraseFile: null,
      verify: null,
    };
    await create(command(on), { task: { kind: "backup", target: TARGET, type: "daily", ...how } });
    expect(await said(on)).toEqual([]);
    on.machine.folders.delete(TARGET);
    expect(await said(on)).toEqual([`its target: ${TARGET}: there is no such folder`]);
    expect((await measure(command(on), null)).unreadable).toEqual([`${TARGET}: there is no such folder`]);
  });

  test("but not its target where one hook may bring it, and one take it away", async () => {
    const on = await prepared();
    await virsh(on, { do: "make-folder", path: TARGET });
    command(on).host.addFile(HOOK, { format: "raw", mode: 0o755 });
    const how = { incremental: true, compress: false, disks: [], passphraseFile: null, verify: null };
    const task = { kind: "backup", target: TARGET, type: "daily", quiesce: "off", ...how } as const;
    const hooks = { before: HOOK, after: HOOK, timeoutMs: 1000, failure: "abort" } as const;
    await create(command(on), { task, hooks });
    on.machine.folders.delete(TARGET);
    expect(await said(on)).toEqual([]);
    expect((await measure(command(on), null)).unreadable).toEqual([]);
    await create(command(on), { name: "by-day", task });
    expect((await examine(command(on))).map(({ subject }) => subject)).toEqual(["schedule by-day"]);
    expect((await measure(command(on), null)).unreadable).toHaveLength(1);
  });
});
