/** What others do between doctor's look and its mending: it mends what it finds under the locks, or leaves it. */
import { expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { EstratoError } from "../../../../src/errors.ts";
import {
  type Bed,
  command,
  creation,
  disksOf,
  type Process,
  stateOf,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  write,
} from "../world.ts";

/** s1 ← s2 ← its head; off. */
async function withTwo(): Promise<Bed> {
  const on = withGuest();
  for (const name of ["s1", "s2"]) {
    write(on, 2, name);
    await take(on, name);
  }
  write(on, 2, "last");
  await stop(on);
  return on;
}

const headOf = async (on: Bed) => {
  const { layers, volumes } = await stateOf(on);
  return layers[Object.values(volumes)[0]?.head ?? ""]?.file ?? "";
};
const definedOn = (on: Bed, path: string) =>
  virsh(on, { do: "redefine", domain: UUID, disks: [{ device: "vda", path, format: "qcow2" }] });

/** What this does comes between the look at all and the first lock of this command for which it is. */
function meanwhile(world: Process, work: () => Promise<unknown>, of: (names: readonly string[]) => boolean): void {
  const { lock } = world.store;
  let isDone = false;
  world.store.lock = async (names, timeoutMs, signal) => {
    if (!isDone && of(names)) {
      isDone = true;
      await work();
    }
    return lock(names, timeoutMs, signal);
  };
}

const WORKS: [string, (on: Bed) => Promise<unknown>][] = [
  ["revert", (on) => revertSnapshot(command(on), "web1/s1", { discard: false, keepMs: 3_600_000 })],
  ["deletion that merges", (on) => deleteSnapshot(command(on), "web1/s2", { children: false })],
  ["snapshot", (on) => createSnapshot(command(on), creation("s3"))],
];

test.each(WORKS)("a %s while the files of layers are looked at", async (_, work) => {
  const on = await withTwo();
  const world = command(on); // answers yes
  const { fileInfo } = world.host;
  let done: Promise<unknown> | null = null;
  world.host.fileInfo = async (path) => {
    done ??= work(on);
    await done;
    return fileInfo(path);
  };
  await repair(world);
  expect(await examine(command(on))).toEqual([]);
});

test("what a yes was given to is not done where it is something else by then", async () => {
  const on = await withTwo();
  const head = await headOf(on);
  const { layers } = await stateOf(on);
  const older = Object.values(layers).find(({ file, frozen }) => frozen && file.startsWith("/disks"))?.file ?? "";
  await definedOn(on, older);
  const world = command(on); // answers yes
  let held: unknown = null;
  const putRight = async () => {
    await definedOn(on, head);
    await revertSnapshot(command(on), "web1/s1", { discard: false, keepMs: 3_600_000 });
    held = await disksOf(on);
  };
  meanwhile(world, putRight, (names) => names.includes(UUID));
  const done = await repair(world);
  expect(world.asked.map(({ loses }) => loses).join()).toContain(older);
  expect(world.notes).toContainEqual(expect.stringContaining("it is no longer as it was found. Run doctor again."));
  expect(done).toEqual([]);
  expect(await disksOf(on)).toEqual(held);
  expect(await examine(command(on))).toEqual([]);
});

test("a name that was given by then is not taken away again", async () => {
  const on = await withTwo();
  await virsh(on, { do: "rename", domain: UUID, name: "web2" });
  const world = command(on);
  const rename = async () => virsh(on, { do: "rename", domain: UUID, name: "web3" });
  meanwhile(world, rename, (names) => names.includes(UUID));
  await repair(world);
  expect((await stateOf(on)).instances[UUID]?.name).toBe("web3");
  expect(await examine(command(on))).toEqual([]);
});

test("nothing else stops the mending of what is still so", async () => {
  const on = await withTwo();
  await virsh(on, { do: "rename", domain: UUID, name: "web2" });
  await definedOn(on, "/disks/web1-vda.qcow2");
  const results = (await repair(command(on))).map(({ result }) => result);
  expect(results).toEqual(["mended", "mended"]);
  expect(await examine(command(on))).toEqual([]);
});

test("a memory whose snapshot has gone by then is not looked for", async () => {
  const on = withGuest();
  await take(on, "s1", { memory: true });
  const path = [...on.machine.files.keys()].find((one) => one.endsWith(".save")) ?? "";
  await virsh(on, { do: "set-mode", path, mode: 0o600 });
  const world = command(on);
  meanwhile(
    world,
    () => deleteSnapshot(command(on), "web1/s1", { children: false }),
    (names) => names.includes(UUID),
  );
  await repair(world);
  expect(world.notes).toEqual([expect.stringContaining("it is no longer as it was found")]);
  expect(await examine(command(on))).toEqual([]);
});

test("what cannot be looked at again is left", async () => {
  const on = await withTwo();
  await definedOn(on, "/disks/web1-vda.qcow2");
  const world = command(on);
  const { domainStatuses } = world.host;
  let isGone = false;
  world.host.domainStatuses = async (uuids) => {
    if (isGone) throw new EstratoError("host", "virsh: failed to connect to the hypervisor");
    return domainStatuses(uuids);
  };
  const { lock } = world.store;
  world.store.lock = async (...args) => {
    isGone = args[0].includes(UUID);
    const held = await lock(...args);
    const { release } = held;
    return {
      ...held,
      release: async () => {
        isGone = false;
        await release();
      },
    };
  };
  const defined = on.machine.domains.get(UUID)?.inactive;
  expect((await repair(world)).map(({ result }) => result)).toEqual(["left"]);
  expect(on.machine.domains.get(UUID)?.inactive).toBe(defined);
});
