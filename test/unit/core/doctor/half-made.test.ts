/**
 * A command is killed, and its journal entry is cut off: doctor finds what was half made, says what it is, and brings
 * it home or away.
 */
import { expect, test } from "vitest";
import { bootSound } from "../../../../src/core/backups/boot.ts";
import { verifyAll } from "../../../../src/core/backups/verify.ts";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { findings } from "../../../../src/core/graph/invariants.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import type { State } from "../../../../src/core/model/state.ts";
import { deleteSchedule } from "../../../../src/core/schedules/delete.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { readUsage } from "../../../../src/core/usage.ts";
import { Crash } from "../../../fake/store.ts";
import { night, withTarget } from "../backups/world.ts";
import { everyEnd } from "../ends.ts";
import { creation as instance, newEstate } from "../instances/world.ts";
import { create as createSchedule, ourLines, prepared, schedulesOf } from "../schedules/world.ts";
import { type Bed, command, creation, disksOf, stateOf, stop, TARGET, take, UUID, withGuest, write } from "../world.ts";

/** Each entry loses its end. */
function cutOff(on: Bed): void {
  on.disk.locks.clear();
  for (const [id, text] of on.disk.journal) on.disk.journal.set(id, text.slice(0, -10));
}

/** Files of the folder of layers that nothing remembers. */
async function forgotten(on: Bed): Promise<string[]> {
  const known = new Set(Object.values((await stateOf(on)).layers).map(({ file }) => file));
  return [...on.machine.files.keys()].filter((path) => path.includes("/layers/") && !known.has(path));
}

async function problems(on: Bed): Promise<string[]> {
  return (await examine(command(on))).map(({ subject, problem }) => `${subject}: ${problem}`);
}

/** Of a store that is bound nobody else's libvirt answers. */
const bound = (state: State): void => {
  const uri = "qemu:///system";
  state.binding = { machine: "m-1", machineName: "alpha", uri, home: "/fake/estrato", user: null };
};

/** Twice: what the first one mends may bring something to light. The copies of the state are another's keep. */
async function repaired(on: Bed): Promise<void> {
  for (let time = 0; time < 2; time += 1) {
    await repair(command(on));
    on.disk.copies.splice(0, on.disk.copies.length - 1);
  }
}

/** By the networks, and by what is remembered. */
const reserved = ({ machine }: Bed) =>
  [...machine.networks.values()].flatMap(({ reservations }) => reservations.map(({ ip }) => ip)).sort();
const addressesIn = ({ instances }: State) =>
  Object.values(instances)
    .flatMap(({ addresses }) => addresses.map(({ ip }) => ip))
    .sort();

const killedAt = async (
  on: Bed,
  kind: Parameters<ReturnType<typeof command>["host"]["crashAtNext"]>[0],
  phase: "before" | "midway" | "after",
  run: (world: ReturnType<typeof command>) => Promise<unknown>,
) => {
  const world = command(on);
  world.host.crashAtNext(kind, phase);
  await run(world).catch((error: unknown) => expect(error).toBeInstanceOf(Crash));
  cutOff(on);
};

test("a snapshot that was killed at any point: no file is left over, and the guest holds what it held", {
  timeout: 120_000,
}, async () => {
  for (const running of [true, false]) {
    const prepare = async () => {
      const on = withGuest();
      await take(on, "s1");
      write(on, 2, "since");
      if (!running) await stop(on);
      return on;
    };
    const work = { prepare, run: (world: ReturnType<typeof command>) => createSnapshot(world, creation("s2")) };
    const { before, ends } = await everyEnd("killed", work);
    const held = await disksOf(before);
    for (const { point, strike, isStep } of ends) {
      if (isStep) continue;
      const on = await strike();
      cutOff(on);
      await repaired(on);
      // As doctor says
      if (on.machine.domains.get(UUID)?.live != null && (await problems(on)).length > 0) await stop(on);
      await repaired(on);
      expect(await disksOf(on), point).toEqual(held);
      expect(await forgotten(on), point).toEqual([]);
      expect(await problems(on), point).toEqual([]);
      expect(findings(await stateOf(on)), point).toEqual([]);
    }
  }
});

test("an instance whose creation was killed at any point is there whole, or nothing of it is", {
  timeout: 120_000,
}, async () => {
  const work = {
    prepare: async () => newEstate(bound),
    run: (world: ReturnType<typeof command>) => createInstance(world, instance()),
  };
  for (const { point, strike, isStep } of (await everyEnd("killed", work)).ends) {
    if (isStep) continue;
    const on = await strike();
    cutOff(on);
    await repaired(on);
    expect(await problems(on), point).toEqual([]);
    expect(await forgotten(on), point).toEqual([]);
    const { instances } = await stateOf(on);
    expect(Object.keys(instances).length, point).toBe(on.machine.domains.size);
    expect(reserved(on), point).toEqual(addressesIn(await stateOf(on)));
    if (Object.keys(instances).length === 0) await createInstance(command(on), instance());
  }
});

test("an instance whose deletion was killed at any point is there, or gone with its addresses", {
  timeout: 120_000,
}, async () => {
  const work = {
    prepare: async () => {
      const on = newEstate(bound);
      await createInstance(command(on), instance());
      return on;
    },
    run: (world: ReturnType<typeof command>) => deleteInstance(world, "web1", { keepVolumes: false }),
  };
  for (const { point, strike, isStep } of (await everyEnd("killed", work)).ends) {
    if (isStep) continue;
    const on = await strike();
    cutOff(on);
    await repaired(on);
    expect(await problems(on), point).toEqual([]);
    expect(reserved(on), point).toEqual(addressesIn(await stateOf(on)));
  }
});

test("a schedule whose making or deletion was killed at any point has its lines, or is gone with them", async () => {
  const work = {
    making: { prepare: prepared, run: (world: ReturnType<typeof command>) => createSchedule(world) },
    deletion: {
      prepare: async () => {
        const on = await prepared();
        await createSchedule(command(on));
        return on;
      },
      run: (world: ReturnType<typeof command>) => deleteSchedule(world, "nightly"),
    },
  };
  for (const each of Object.values(work))
    for (const { point, strike, isStep } of (await everyEnd("killed", each)).ends) {
      if (isStep) continue;
      const on = await strike();
      cutOff(on);
      await repaired(on);
      expect(await problems(on), point).toEqual([]);
      expect(ourLines(on), point).toEqual((await schedulesOf(on)).flatMap(({ lines }) => lines));
    }
});

test("a file that holds something goes only where a person says so, and comes home where a guest names it", async () => {
  const on = withGuest();
  await take(on, "s1");
  await killedAt(on, "switch-disks", "after", (world) => createSnapshot(world, creation("s2")));
  write(on, 3, "newest"); // into what was half made
  const domain = on.machine.domains.get(UUID);
  const [half = ""] = await forgotten(on);
  const defined = domain?.inactive ?? "";
  await stop(on);
  // As where libvirtd died at the switch: the definition names the head of before
  const { layers, volumes } = await stateOf(on);
  const recorded = layers[Object.values(volumes)[0]?.head ?? ""]?.file ?? "";
  Object.assign(domain ?? {}, { inactive: defined.replaceAll(half, recorded) });
  const refusing = command(on, { answer: false });
  expect(await repair(refusing)).toContainEqual({
    subject: half,
    problem: expect.stringMatching(
      /^it has [\d.]+ [KMG]?i?B, stands on .*, and was being made when a command was killed/,
    ),
    remedy: expect.stringContaining("name it in the definition (virsh edit)"),
    result: "left",
  });
  expect(refusing.asked).toContainEqual(expect.objectContaining({ byPerson: true }));
  expect(on.machine.files.has(half)).toBe(true);
  Object.assign(domain ?? {}, { inactive: defined });
  await repaired(on);
  expect(await problems(on)).toEqual([]);
  expect((await disksOf(on)).vda).toMatchObject({ 3: "newest" });
  expect(Object.values((await stateOf(on)).layers).some(({ file }) => file === half)).toBe(true);
});

test("a guest that was started to verify a backup, by a command that was killed, is thrown away", async () => {
  const on = await withTarget();
  on.machine.capabilities = { ...on.machine.capabilities, qemuUser: null };
  await night(on);
  const read = await verifyAll(command(on), TARGET);
  const how = { timeoutMs: 3_000, consoleText: null, screenshot: null, passphraseFile: null };
  await killedAt(on, "start", "after", (world) => bootSound(world, read, how));
  expect(on.machine.domains.size).toBe(2);
  await repair(command(on));
  expect([on.machine.domains.size, await forgotten(on), await problems(on)]).toEqual([1, [], []]);
});

test("usage says why a layer waits that only a damaged entry keeps, and when it can go", async () => {
  const on = withGuest();
  await take(on, "s1");
  await take(on, "s2");
  await stop(on);
  await killedAt(on, "commit", "midway", (world) => deleteSnapshot(world, "web1/s1", { children: false }));
  await repair(command(on));
  const { hidden } = await readUsage(command(on));
  const [path = ""] = (await command(on).store.journal.aside()).map((one) => one.path);
  expect(hidden).toMatchObject([
    { fate: "deferred", reason: `a damaged journal entry names it; it can go once ${path} is removed` },
  ]);
  on.disk.aside.clear();
  expect((await readUsage(command(on))).hidden).toMatchObject([{ fate: "now" }]);
});
