/**
 * Killed at any instant, a schedule is there with its lines, or neither is; and what it was to take is whole or not
 * there.
 */
import { describe, expect, test } from "vitest";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import type { World } from "../../../../src/core/ports.ts";
import { deleteSchedule } from "../../../../src/core/schedules/delete.ts";
import { runSchedule } from "../../../../src/core/schedules/run.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { endEverywhere as endSnapshots } from "../crashes.ts";
import { ENDINGS, type Ending, everyEnd } from "../ends.ts";
import { nextCommand } from "../shelving/world.ts";
import { type Bed, command, stateOf, stop, TARGET, UUID, virsh, write } from "../world.ts";
import { create, ourLines, prepared, schedulesOf } from "./world.ts";

const run = (world: World) => runSchedule(world, "nightly", { catchUp: false, jitter: false });

async function endEverywhere(
  ending: Ending,
  on: Bed,
  work: (world: World) => Promise<unknown>,
  look: (on: Bed, where: string) => Promise<void>,
): Promise<void> {
  const { ends } = await everyEnd(ending, { prepare: async () => on, run: work });
  for (const [index, { point, strike }] of ends.entries()) {
    const struck = await strike();
    if (index % 2 === 0) await nextCommand(struck);
    else await repair(command(struck));
    expect(await examine(command(struck)), point).toEqual([]);
    expect([struck.disk.journal.size, struck.disk.locks.size], point).toEqual([0, 0]);
    await look(struck, point);
  }
}

/** Every record has its lines, and every line of ours its record. */
async function agree(on: Bed, where: string): Promise<void> {
  const lines = (await schedulesOf(on)).flatMap((schedule) => schedule.lines);
  expect(ourLines(on).sort(), where).toEqual(lines.sort());
}

describe.each(ENDINGS)("%s", { timeout: 600_000 }, (_, ending) => {
  test("schedule create leaves it with its lines, or nothing", async () => {
    await endEverywhere(
      ending,
      await prepared({ name: "weekly" }),
      (world) => create(world),
      async (on, where) => {
        await agree(on, where);
        const made = (await schedulesOf(on)).some(({ name }) => name === "nightly");
        if (!made) await create(command(on));
        await agree(on, where);
      },
    );
  });

  test("schedule delete leaves it as it was, or nothing of it", async () => {
    const on = await prepared({ name: "weekly" });
    await create(command(on));
    await endEverywhere(ending, on, (world) => deleteSchedule(world, "nightly"), agree);
  });

  test.each([false, true])(
    "instance delete leaves it with its schedules, or nothing of them (shelved: %s)",
    async (shelved) => {
      const on = await prepared({});
      await create(command(on), { name: "weekly", catchUp: false });
      await run(command(on));
      if (shelved) await shelveInstance(command(on), "web1", { timeoutMs: 1, offload: false, folder: null });
      await endEverywhere(
        ending,
        on,
        (world) => deleteInstance(world, "web1", { keepVolumes: false }),
        async (struck, where) => {
          await agree(struck, where);
          const { instances, schedules } = await stateOf(struck);
          expect(Object.keys(schedules), where).toHaveLength(Object.keys(instances).length * 2);
        },
      );
    },
  );

  test("schedule run leaves a whole backup or none, also while it is verified", async () => {
    const on = await prepared();
    await stop(on); // a running one whose switch was cut needs a restart before all agree
    on.machine.capabilities = { ...on.machine.capabilities, qemuUser: null };
    await virsh(on, { do: "make-folder", path: TARGET });
    const verify = { kind: "boot", timeoutMs: 1000, consoleText: null } as const;
    const how = { incremental: false, compress: false, quiesce: "off", disks: [], passphraseFile: null } as const;
    const task = { kind: "backup", target: TARGET, type: "nightly", ...how, disks: [], verify } as const;
    await create(command(on), { task: { ...task, disks: [] }, retention: { rotation: 2 } });
    await endEverywhere(ending, on, run, async (struck, where) => {
      expect([...struck.machine.domains.keys()], where).toEqual([UUID]);
      for (const one of await listBackups(command(struck), [TARGET])) expect(one.status, where).toBe("available");
    });
  });

  test("schedule run leaves a whole snapshot or none, the guest as it was, and what older ones hold", async () => {
    await endSnapshots(ending, {
      prepare: async () => {
        const on = await prepared({ retention: { rotation: 1 } });
        await run(command(on));
        on.clock.advance(86_400_000);
        write(on, 2, "a day later");
        return on;
      },
      run,
      does: ["switch-disks", "block-commit"],
    });
  });
});
