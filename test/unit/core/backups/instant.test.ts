import { describe, expect, test } from "vitest";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { restoreInstant } from "../../../../src/core/backups/instant.ts";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { restoreInPlace } from "../../../../src/core/backups/restore-to.ts";
import { useNoteText } from "../../../../src/core/backups/use-note.ts";
import { measure } from "../../../../src/core/check/measure.ts";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { findings } from "../../../../src/core/graph/invariants.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import type { Snapshot } from "../../../../src/core/model/state.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { unshelveInstance } from "../../../../src/core/shelving/unshelve.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { readUsage } from "../../../../src/core/usage.ts";
import {
  type Bed,
  backupsOf,
  command,
  contentsOf,
  creation,
  everything,
  type How,
  stateOf,
  TARGET,
  virsh,
} from "../world.ts";
import { chainOfTwo, disksOfRestored, from, marks, pulled, restoredUuid, wanted, writeTo } from "./instant-world.ts";
import { backup, night } from "./world.ts";

const restore = (on: Bed, wait: boolean, how: How = {}) =>
  restoreInstant(command(on, how), from(on), wanted("web2"), { wait });
const booted = async () => {
  const on = await chainOfTwo();
  await restore(on, false);
  return on;
};
const power = async (on: Bed, what: "destroy") => virsh(on, { do: what, domain: (await restoredUuid(on)) ?? "" });

describe("an instance that boots from a backup", () => {
  test("runs at once, reads what the backup holds, and writes elsewhere; then it needs the backup no longer", async () => {
    const on = await chainOfTwo();
    const [full, last] = backupsOf(on) as [string, string];
    const before = await contentsOf(on, last);
    await restore(on, false);
    expect(await disksOfRestored(on)).toEqual(before);
    expect(marks(on)).toHaveLength(2);
    await writeTo(on, 7, "its own");
    expect(await contentsOf(on, last)).toEqual(before);
    expect(findings(await stateOf(on))).toEqual([]);
    expect(await examine(command(on))).toEqual([]);
    await restore(on, true);
    const held = { vda: { ...before.vda, 7: "its own" }, vdb: before.vdb };
    expect(await pulled(on)).toBe(true);
    expect(marks(on)).toEqual([]);
    expect(await disksOfRestored(on)).toEqual(held);
    expect(await contentsOf(on, last)).toEqual(before);
    const again = command(on);
    expect(await restoreInstant(again, from(on), wanted("web2"), { wait: true })).toMatchObject({ name: "web2" });
    expect(again.notes).toEqual(["web2 is there already, and all of the backup has been pulled in"]);
    const other = restoreInstant(command(on), { ...from(on), backup: full }, wanted("web2"), { wait: true });
    await expect(other).rejects.toMatchObject({ code: "conflict" });
    for (const id of [full, last]) await deleteBackup(command(on), [TARGET], id, null);
    expect(await disksOfRestored(on)).toEqual(held);
    expect(await examine(command(on))).toEqual([]);
  });

  test("says how to go on, and other commands do not wait for its data", async () => {
    const on = await chainOfTwo();
    const world = command(on);
    await restoreInstant(world, from(on), wanted("web2"), { wait: false });
    const line = `estrato backup restore ${from(on).backup} --instance web2 --instant`;
    expect(world.notes.at(-1)).toContain(line);
    await createSnapshot(command(on), creation("other"));
    await createSnapshot(command(on), creation("its-own", { instance: "web2" }));
    await deleteSnapshot(command(on), "web2/its-own", { children: false });
    expect(await pulled(on)).toBe(false);
    expect(marks(on)).toHaveLength(2);
  });

  test("keeps all that it reads from: a deletion is refused, a rotation keeps it this time and says so", async () => {
    const on = await booted();
    const [full, last] = backupsOf(on) as [string, string];
    const views = await listBackups(command(on), [TARGET]);
    expect(views.map(({ used_by }) => used_by)).toEqual([[], ["instance web2 of /fake/estrato"]]);
    for (const id of [full, last]) {
      const before = everything(on);
      const refused = deleteBackup(command(on), [TARGET], id, null);
      await expect(refused).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("web2") });
      expect(everything(on)).toBe(before);
    }
    const retention = { policy: { rotation: 1 }, zone: "UTC" };
    const pruned = await pruneBackups(command(on), [TARGET], retention, { instance: null, type: null }, null);
    expect(pruned.map(({ action }) => action)).toEqual(["keep", "keep"]);
    expect(pruned[1]?.why).toEqual(["in use: instance web2 of /fake/estrato"]);
    on.clock.advance(3_600_000);
    const world = command(on);
    await backup(world, {}, 1);
    expect(world.notes.filter((note) => note.includes("kept this time"))).toHaveLength(2);
    expect(backupsOf(on)).toHaveLength(3);
    // What stands on it goes as ever.
    await deleteBackup(command(on), [TARGET], backupsOf(on)[2] ?? "", null);
    await restore(on, true);
    await night(on, {}, 1);
    expect(backupsOf(on)).toHaveLength(1);
  });

  test("is pulled in though its target has become read-only; the mark goes with the first repair after that", async () => {
    const on = await booted();
    const held = await disksOfRestored(on);
    on.machine.readOnly.add(TARGET);
    await restore(on, true);
    expect([await pulled(on), await disksOfRestored(on), on.disk.journal.size]).toEqual([true, held, 0]);
    await createSnapshot(command(on), creation("after", { instance: "web2" }));
    expect(marks(on)).toHaveLength(2);
    on.machine.readOnly.clear();
    await repair(command(on));
    expect(marks(on)).toEqual([]);
  });

  test("keeps it also by a mark that cannot be read", async () => {
    const on = await booted();
    const world = command(on);
    const { readText } = world.host;
    world.host.readText = async (path, most) => (path.includes("/use-") ? null : readText(path, most));
    const refused = deleteBackup(world, [TARGET], from(on).backup, null);
    await expect(refused).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("still reads") });
  });

  test("keeps what its backup builds on, though the manifest between them is damaged", async () => {
    const on = await booted();
    const [full, last] = backupsOf(on) as [string, string];
    const held = await disksOfRestored(on);
    Object.assign(on.machine.files.get(`${TARGET}/${last}/manifest.json`) ?? {}, { text: "{" });
    const refused = deleteBackup(command(on), [TARGET], full, null);
    await expect(refused).rejects.toMatchObject({ code: "conflict", message: expect.stringContaining("web2") });
    const retention = { policy: { rotation: 1 }, zone: "UTC" };
    await night(on, {}, 9);
    await pruneBackups(command(on), [TARGET], retention, { instance: null, type: null }, null);
    expect(await disksOfRestored(on)).toEqual(held);
  });

  test("keeps it where the state may lack what reads there: a repair takes no mark away", async () => {
    const on = await booted();
    await command(on).store.update((draft) => {
      for (const { id, borrowed } of Object.values(draft.layers)) if (borrowed !== undefined) delete draft.layers[id];
    });
    on.disk.doubt = "/fake/estrato/incomplete.json";
    await repair(command(on));
    expect(marks(on)).toHaveLength(2);
  });

  test("lets go of the backup where it is deleted half-way", async () => {
    const on = await booted();
    await deleteInstance(command(on), "web2", { keepVolumes: false });
    expect(marks(on)).toEqual([]);
    expect(await examine(command(on))).toEqual([]);
    await deleteBackup(command(on), [TARGET], from(on).backup, null);
  });

  test("is pulled in while it is off, and by a repair", async () => {
    for (const mend of [(on: Bed) => restore(on, true), (on: Bed) => repair(command(on))]) {
      const on = await booted();
      const held = await disksOfRestored(on);
      await power(on, "destroy");
      await mend(on);
      expect(await pulled(on)).toBe(true);
      expect(await disksOfRestored(on)).toEqual(held);
      expect(marks(on)).toEqual([]);
    }
  });

  test("waits for its guest to stop where a snapshot is between, and says so", async () => {
    const on = await booted();
    const held = await disksOfRestored(on);
    await createSnapshot(command(on), creation("between", { instance: "web2" }));
    const refused = restore(on, true);
    await expect(refused).rejects.toMatchObject({ code: "conflict", hint: expect.stringContaining("web2 vda") });
    await power(on, "destroy");
    await restore(on, true);
    expect(marks(on)).toEqual([]);
    expect(await disksOfRestored(on)).toEqual(held);
    expect(await examine(command(on))).toEqual([]);
  });

  test("needs the backup as long as a snapshot of it reads there, wherever its disks have gone", async () => {
    const on = await booted();
    const held = await disksOfRestored(on);
    const taken = (await createSnapshot(command(on), creation("kept", { instance: "web2" }))) as Snapshot;
    await shelveInstance(command(on), "web2", { offload: true, folder: null, timeoutMs: 1_000 });
    expect(marks(on)).toHaveLength(2);
    const by = ["snapshot web2/kept"];
    expect((await measure(command(on), null)).reading).toEqual([{ backup: from(on).backup, by }]);
    await restore(on, true);
    expect(marks(on)).toEqual([]);
    expect(await contentsOf(on, taken.id)).toEqual(held);
    await unshelveInstance(command(on), "web2");
    expect(await disksOfRestored(on)).toEqual(held);
    expect(await examine(command(on))).toEqual([]);
  });

  test("goes on where it is interrupted: nothing is lost, and the command says how", async () => {
    const on = await chainOfTwo();
    const ending = new AbortController();
    const world = command(on, { signal: ending.signal });
    const perform = world.host.perform;
    world.host.perform = async (action, options) => {
      if (action.do === "block-pull") ending.abort();
      await perform(action, options);
    };
    const held = await contentsOf(on, from(on).backup);
    const run = restoreInstant(world, from(on), wanted("web2"), { wait: true });
    await expect(run).rejects.toMatchObject({ code: "interrupted" });
    expect(world.notes.at(-1)).toContain("web2 stays as it is");
    expect(await disksOfRestored(on)).toEqual(held);
    expect([...on.disk.journal.keys()]).toEqual([]);
    await restore(on, true);
    expect(await disksOfRestored(on)).toEqual(held);
  });

  test("shows what it would do, and does nothing", async () => {
    const on = await chainOfTwo();
    const before = everything(on);
    const plan = (await restore(on, true, { dryRun: true })) as PlanView;
    expect(plan.steps.length).toBeGreaterThan(0);
    expect(everything(on)).toBe(before);
    await restore(on, false);
    const half = everything(on);
    const rest = (await restore(on, true, { dryRun: true })) as PlanView;
    expect(
      rest.steps
        .flatMap(({ commands }) => commands)
        .map(({ args }) => args.join(" "))
        .join("\n"),
    ).toContain("blockpull");
    expect(everything(on)).toBe(half);
  });

  test("is told by check and usage, as long as it reads there", async () => {
    const on = await booted();
    const { hidden } = await readUsage(command(on));
    const waiting = hidden.filter(({ reason }) => reason.includes("until it is pulled in"));
    expect(waiting.map(({ fate, by }) => [fate, ...by])).toEqual([
      ["deferred", "instance web2 vda"],
      ["deferred", "instance web2 vdb"],
    ]);
    const facts = await measure(command(on), null);
    const by = ["instance web2 vda", "instance web2 vdb"];
    expect(facts.reading).toEqual([{ backup: from(on).backup, by }]);
    await restore(on, true);
    expect((await measure(command(on), null)).reading).toEqual([]);
  });
});

describe("a backup that is booted from is refused", () => {
  const refused = async (on: Bed, code: string, message: string) => {
    const before = everything(on);
    await expect(restore(on, true)).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
    expect(everything(on)).toBe(before);
  };

  test("where a file of its chain is cut, names another file, or is missing", async () => {
    for (const [change, message] of [
      [(on: Bed, path: string) => on.machine.files.get(path)?.clusters.clear(), "bytes instead of"],
      [
        (on: Bed, path: string) =>
          Object.assign(on.machine.files.get(path) ?? {}, { backing: { path: "/etc/shadow", format: "qcow2" } }),
        "does not stand on",
      ],
      [(on: Bed, path: string) => on.machine.files.delete(path), "missing"],
    ] as const) {
      const on = await chainOfTwo();
      command(on).host.addFile("/etc/shadow", { format: "qcow2", content: { 0: "secret" } });
      change(on, `${TARGET}/${backupsOf(on)[0]}/vda.qcow2`);
      await refused(on, "integrity", message);
    }
  });

  test("where its definition is not what was written", async () => {
    const on = await chainOfTwo();
    Object.assign(on.machine.files.get(`${TARGET}/${from(on).backup}/definition.xml`) ?? {}, { text: "<domain/>" });
    await refused(on, "integrity", "definition.xml");
  });

  test("where the name is taken, or the space is too little", async () => {
    const on = await chainOfTwo();
    const named = restoreInstant(command(on), from(on), wanted("web1"), { wait: true });
    await expect(named).rejects.toMatchObject({ code: "conflict" });
    expect(marks(on)).toEqual([]);
    on.machine.freeBytes = 1;
    await refused(on, "host", "restoring backup");
  });
});

describe("an instance that still reads from a backup", () => {
  test("does not start where the target is not there, and says so in a line", async () => {
    const on = await booted();
    await power(on, "destroy");
    const uuid = (await restoredUuid(on)) ?? "";
    const marker = on.machine.files.get(`${TARGET}/estrato-target.json`);
    on.machine.files.delete(`${TARGET}/estrato-target.json`);
    const refused = { code: "host", hint: expect.stringContaining("mounted") };
    await expect(startInstance(command(on), uuid)).rejects.toMatchObject(refused);
    await expect(restore(on, true)).rejects.toMatchObject({ code: "host" });
    expect((await examine(command(on))).map(({ problem }) => problem).join()).toContain("needs it");
    if (marker) on.machine.files.set(`${TARGET}/estrato-target.json`, marker);
    await startInstance(command(on), uuid);
    expect(await examine(command(on))).toEqual([]);
  });

  test("whose mark has gone is told to the target again, and a mark that nobody needs is removed", async () => {
    const on = await booted();
    const [one, two] = marks(on) as [string, string];
    on.machine.files.delete(one);
    expect(await examine(command(on))).toHaveLength(1);
    await repair(command(on));
    expect(marks(on)).toEqual([]);
    const { storeId } = await stateOf(on);
    const markOf = (store: string | null) =>
      ({ format: "raw", text: useNoteText(command(on), store ?? "", "web2") }) as const;
    command(on).host.addFile(two, markOf(storeId));
    expect(await examine(command(on))).toHaveLength(1);
    await repair(command(on));
    expect(marks(on)).toEqual([]);
    // Another store's is not ours to judge; a damaged one keeps the backup too.
    command(on).host.addFile(two, markOf("another"));
    expect(await examine(command(on))).toEqual([]);
    await expect(deleteBackup(command(on), [TARGET], from(on).backup, null)).rejects.toMatchObject({
      code: "conflict",
    });
    command(on).host.addFile(two, { format: "raw", text: "?" });
    await expect(deleteBackup(command(on), [TARGET], from(on).backup, null)).rejects.toMatchObject({
      code: "conflict",
    });
  });

  test("needs no more than the target: its own backups and restores work as ever", async () => {
    const on = await booted();
    on.clock.advance(3_600_000);
    await backup(command(on), { instance: "web2" }, 1);
    const mine = { targets: [TARGET], backup: backupsOf(on).at(-1) ?? "", disks: [], passphraseFile: null };
    const held = await disksOfRestored(on);
    await writeTo(on, 8, "later");
    await restoreInPlace(command(on), mine, { keepMs: 1000 });
    expect(await disksOfRestored(on)).toEqual(held);
    expect(await examine(command(on))).toEqual([]);
  });
});
