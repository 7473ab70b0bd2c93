/** What every kind of target owes to those who keep backups in it; and that these know none of its paths. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { requireMerging } from "../../../../src/core/backups/delete-recovery.ts";
import { MANIFEST, NEXT_MANIFEST } from "../../../../src/core/backups/parts.ts";
import { setProtected } from "../../../../src/core/backups/protect.ts";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { isTargetName, openTarget } from "../../../../src/core/backups/targets/open.ts";
import type { BackupTarget } from "../../../../src/core/backups/targets/target.ts";
import type { Action } from "../../../../src/core/model/action.ts";
import { type Bed, backupsOf, command, everything, type Process, TARGET, withGuest } from "../world.ts";
import { backup, night, withTarget } from "./world.ts";

const ID = "bak-0123456789abcdef0";
const OTHER = "bak-0123456789abcdef1";
const STORE = "11111111-2222-4333-8444-555555555555";
const ELSE = "22222222-2222-4333-8444-555555555555";

interface Opened {
  readonly on: Bed;
  readonly target: BackupTarget;
  readonly perform: (actions: readonly Action[]) => Promise<void>;
}

async function opened(on: Bed): Promise<Opened> {
  const { host } = command(on);
  const perform = async (actions: readonly Action[]) => {
    for (const action of actions) await host.perform(action);
  };
  return { on, target: openTarget(command(on), TARGET), perform };
}

/** A backup of that id with these texts. */
async function take({ target, perform }: Opened, id: string, texts: Readonly<Record<string, string>>): Promise<void> {
  const taken = target.unfinished(target.unfinishedName(id, STORE));
  await perform(taken.begin({ passable: true }));
  for (const [file, text] of Object.entries(texts)) await perform(taken.writeText(file, text));
  await perform(taken.finish(id));
}

describe("a target", () => {
  test("that is not there is an error, and nothing locks it", async () => {
    const { target } = await opened(withGuest());
    await expect(target.readMarker(false)).rejects.toMatchObject({ code: "host" });
    await expect(target.readMarker(true)).rejects.toMatchObject({ code: "host", hint: target.absenceHint });
    expect(await target.lock(0)).toBeNull();
  });

  test("holds its marker, and from then on keeps other stores out", async () => {
    const { target, perform } = await opened(await withTarget());
    expect([await target.readMarker(false), await target.lock(0)]).toEqual([null, null]);
    await perform(target.writeMarker("mark"));
    await perform(target.writeMarker("of another store, at the same moment"));
    expect(await target.readMarker(true)).toBe("mark");
    const held = await target.lock(0);
    await expect(target.lock(0)).rejects.toMatchObject({ code: "conflict" });
    await held?.release();
    await (await target.lock(0))?.release();
    expect(isTargetName(target.name)).toBe(true);
    expect(isTargetName(STORE)).toBe(false);
  });

  test("refuses what there is no room for", async () => {
    const { on, target } = await opened(await withTarget());
    on.machine.freeBytes = 100 * 1024 * 1024;
    await target.requireSpace(1024 * 1024, "backup of web1");
    await expect(target.requireSpace(99 * 1024 * 1024, "backup of web1")).rejects.toMatchObject({ code: "host" });
  });

  test("refuses to be written where it may not be", async () => {
    const all = await opened(await withTarget());
    await take(all, ID, { [MANIFEST]: ID });
    await all.target.requireWritable([ID]);
    await expect(all.target.requireWritable([OTHER])).rejects.toMatchObject({ code: "host" });
    all.on.machine.readOnly.add(TARGET);
    await expect(all.target.requireWritable()).rejects.toMatchObject({ code: "host" });
  });

  test("has no backup of what is being taken, until that is made final", async () => {
    const all = await opened(await withTarget());
    const { target, perform } = all;
    const name = target.unfinishedName(ID, STORE);
    const taken = target.unfinished(name);
    await perform(taken.begin({ passable: false }));
    await perform(taken.writeText(MANIFEST, "all of it"));
    expect([await target.backupIds(), await target.backup(ID).isThere()]).toEqual([[], false]);
    expect([await target.unfinishedOf(STORE), await target.unfinishedOf(ELSE)]).toEqual([[name], []]);
    for (const _ of ["once", "again"]) await perform(taken.finish(ID));
    expect([await target.backupIds(), await target.backup(ID).isThere()]).toEqual([[ID], true]);
    expect(await target.unfinishedOf(STORE)).toEqual([]);
    expect(await target.backup(ID).readText(MANIFEST)).toBe("all of it");
    expect(await target.backup(OTHER).readText(MANIFEST)).toBeNull();
  });

  test("keeps nothing of what is discarded", async () => {
    const { target, perform } = await opened(await withTarget());
    const taken = target.unfinished(target.unfinishedName(ID, STORE));
    await perform(taken.begin({ passable: false }));
    await perform(taken.writeText(MANIFEST, "half of it"));
    for (const _ of ["once", "again"]) await perform(taken.discard());
    expect([await target.backupIds(), await target.unfinishedOf(STORE), await taken.list()]).toEqual([[], [], []]);
  });

  test("removes a file, or all, of one backup and leaves the others", async () => {
    const all = await opened(await withTarget());
    const { target, perform } = all;
    for (const id of [ID, OTHER]) await take(all, id, { [MANIFEST]: id, "vda.sums": "sums" });
    const [one, other] = [target.backup(ID), target.backup(OTHER)];
    for (const _ of ["once", "again"]) await perform(one.removeFile("vda.sums"));
    expect([(await one.list()).sort(), (await other.list()).sort()]).toEqual([[MANIFEST], [MANIFEST, "vda.sums"]]);
    expect([await one.look("vda.sums"), (await other.look("vda.sums"))?.isRegularFile]).toEqual([null, true]);
    for (const _ of ["once", "again"]) await perform(one.remove());
    expect([await target.backupIds(), await one.isThere()]).toEqual([[OTHER], false]);
  });

  test("knows a file again by its image's path, and a prepared manifest takes the other's place", async () => {
    const all = await opened(await withTarget());
    const { target, perform } = all;
    await take(all, ID, { [MANIFEST]: "old", [NEXT_MANIFEST]: "new" });
    const { backup, file } = target.fileAt(target.backup(ID).image("vda.qcow2").path);
    expect([backup.id, file]).toEqual([ID, "vda.qcow2"]);
    await perform(requireMerging(target).putManifestInPlace(ID));
    expect([await backup.readText(MANIFEST), await backup.look(NEXT_MANIFEST)]).toEqual(["new", null]);
  });

  test("stands a disk on its parent's by the name that its image has", async () => {
    const { on, target } = await opened(await withTarget());
    const [first, second] = [await night(on), await night(on)];
    const below = target.backup(first.id).image("vda.qcow2");
    const above = await command(on).host.imageInfo(target.backup(second.id).image("vda.qcow2").path);
    expect(above?.backing).toBe(below.path);
  });
});

test("where nothing can be merged, what another stands on is not deleted", async () => {
  const { target } = await opened(await withTarget());
  expect(requireMerging(target)).toBe(target.merging);
  expect(() => requireMerging({ ...target, merging: null })).toThrow(/cannot be merged/);
});

test("a folder has the names that records of older versions hold", async () => {
  const { target } = await opened(await withTarget());
  expect(target.name).toBe(TARGET);
  expect(target.markerName).toBe(`${TARGET}/estrato-target.json`);
  expect(target.unfinishedName(ID, STORE)).toBe(`${TARGET}/${ID}.${STORE}.part`);
  expect(target.unfinished(`${TARGET}/${ID}.${STORE}.part`).discard()).toEqual([
    { do: "discard-folder", path: `${TARGET}/${ID}.${STORE}.part` },
  ]);
  expect(target.backup(ID).image("vda.qcow2").path).toBe(`${TARGET}/${ID}/vda.qcow2`);
  expect(target.backingName(ID, "vda.qcow2")).toBe(`../${ID}/vda.qcow2`);
});

describe("the paths of a target", () => {
  const src = join(import.meta.dirname, "../../../../src");
  const implementation = "core/backups/targets/folder/";
  const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
  const text = (file: string) => readFileSync(join(src, file), "utf8");
  /** `${folder}/…`, "…/" + name, [folder, name].join("/"), and whatever node:path has. */
  const JOINS = /\}\/|\/\$\{|\/["'`] *\+|\+ *["'`]\/|join\(["'`]\/|node:path/;
  const speakOfTargets = (file: string) =>
    file.startsWith("core/backups/") || /^core\/(locks|doctor\/(targets|uses))\.ts$/.test(file);

  test("are joined in its implementation, and nowhere else in what keeps backups", () => {
    const joining = files.filter((file) => speakOfTargets(file) && JOINS.test(text(file)));
    expect(joining).toContain(`${implementation}layout.ts`);
    expect(joining.filter((file) => !file.startsWith(implementation))).toEqual([]);
  });

  test("are nobody's to import: each target is opened by its name", () => {
    const importing = files.filter(
      (file) => !file.startsWith(implementation) && /from "[^"]*folder\/[^"]*"/.test(text(file)),
    );
    expect(importing).toEqual(["core/backups/targets/open.ts"]);
  });
});

describe("a target that is read-only is refused by", () => {
  const changes: Readonly<Record<string, (world: Process, first: string) => Promise<unknown>>> = {
    create: (world) => backup(world),
    delete: (world, first) => deleteBackup(world, [TARGET], first, null),
    protect: (world, first) => setProtected(world, [TARGET], first, true),
    prune: (world) =>
      pruneBackups(world, [TARGET], { policy: { rotation: 1 }, zone: "UTC" }, { instance: null, type: null }, null),
  };
  test.each(Object.entries(changes))("%s: before anything is touched, and in its dry run", async (_, change) => {
    const on = await withTarget();
    for (const _ of [1, 2]) await night(on);
    const [first = ""] = backupsOf(on);
    on.machine.readOnly.add(TARGET);
    const before = everything(on);
    for (const dryRun of [true, false]) {
      await expect(change({ ...command(on), dryRun }, first)).rejects.toMatchObject({
        code: "host",
        message: `${TARGET}: the file system is read-only (access)`,
      });
      expect(everything(on)).toBe(before);
    }
    on.machine.readOnly.clear();
    await change(command(on), first);
  });
});
