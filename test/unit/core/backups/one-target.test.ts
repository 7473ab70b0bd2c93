/** A target is the id in its marker: two paths to it are one, one that has moved is the same, and a copy is another. */
import { describe, expect, test } from "vitest";
import type { CreateBackupOptions } from "../../../../src/core/backups/create.ts";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { findBackup, knownTargets } from "../../../../src/core/backups/find.ts";
import { type BackupView, listBackups } from "../../../../src/core/backups/list.ts";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { type Bed, command, everything, type Process, stateOf, TARGET, virsh, write } from "../world.ts";
import { backup, night, withTarget } from "./world.ts";

const LINK = "/link";
const MOVED = "/moved";
const COPY = "/copy";

/** A process for which LINK is a symbolic link to the target. */
function linked(on: Bed): Process {
  const world = command(on);
  const through = (value: unknown) => (typeof value === "string" ? value.replace(/^\/link(?=\/|$)/, TARGET) : value);
  const host = new Proxy(world.host, {
    get: (whole, key) => {
      const member = Reflect.get(whole, key);
      return typeof member === "function" ? (...args: unknown[]) => member(...args.map(through)) : member;
    },
  });
  return { ...world, host };
}

async function nightBy(on: Bed, target: string, change: Partial<CreateBackupOptions> = {}): Promise<BackupView> {
  on.clock.advance(3_600_000);
  return (await backup(linked(on), { target, ...change })) as BackupView;
}

/** What is in the target lies in another folder as well. */
function copyTo({ machine }: Bed, to: string): void {
  for (const path of [...machine.folders]) if (path.startsWith(TARGET)) machine.folders.add(to + path.slice(8));
  for (const [path, file] of [...machine.files]) {
    if (!path.startsWith(`${TARGET}/`)) continue;
    const backing = file.backing && { ...file.backing, path: file.backing.path.replace(TARGET, to) };
    machine.files.set(to + path.slice(TARGET.length), { ...file, backing, clusters: new Map(file.clusters) });
  }
}

function remove({ machine }: Bed, folder: string): void {
  for (const path of [...machine.files.keys()]) if (path.startsWith(`${folder}/`)) machine.files.delete(path);
  for (const path of [...machine.folders]) if (path.startsWith(folder)) machine.folders.delete(path);
}

describe("two paths to one target", () => {
  test("are one: what is taken through the link builds on what is there, and is listed once", async () => {
    const on = await withTarget();
    const first = await nightBy(on, TARGET);
    write(on, 2, "new");
    expect(await nightBy(on, LINK)).toMatchObject({ parent: first.id, target: TARGET });
    expect(Object.keys((await stateOf(on)).targets)).toEqual([TARGET]);
    expect(await knownTargets(linked(on), null, LINK)).toEqual([TARGET]);
    expect(await knownTargets(linked(on), LINK, null)).toEqual([TARGET]);
    expect(Object.values((await stateOf(on)).bookmarks)).toHaveLength(1);
  });

  test("that an older version took for two become one, with one bookmark", async () => {
    const on = await withTarget();
    await nightBy(on, TARGET);
    await command(on).store.update((draft) => {
      draft.targets[LINK] = draft.targets[TARGET] ?? "";
      const [one] = Object.values(draft.bookmarks);
      const id = "bak-0123456789abcdef0";
      if (one !== undefined) draft.bookmarks[id] = { ...one, id, target: LINK };
    });
    expect(await listBackups(linked(on), await knownTargets(linked(on), null, null))).toHaveLength(1);
    const { id } = await nightBy(on, LINK);
    const { targets, bookmarks } = await stateOf(on);
    expect([Object.keys(targets), Object.keys(bookmarks)]).toEqual([[TARGET], [id]]);
  });

  test("have one lock", async () => {
    const on = await withTarget();
    await nightBy(on, TARGET);
    await command(on).store.lock([TARGET], 0);
    const through = await knownTargets(linked(on), LINK, null);
    const retention = { policy: { rotation: 1 }, zone: "UTC" };
    await expect(
      pruneBackups(linked(on), through, retention, { instance: null, type: null }, null),
    ).rejects.toMatchObject({ code: "conflict" });
  });
});

describe("a target at another path", () => {
  test("is the same, where the old one is gone: it is built on, and known by the new path alone", async () => {
    const on = await withTarget();
    const first = await night(on);
    copyTo(on, MOVED);
    remove(on, TARGET);
    const second = await night(on, { target: MOVED });
    expect(second).toMatchObject({ parent: first.id, target: MOVED });
    const { targets, bookmarks } = await stateOf(on);
    expect([Object.keys(targets), Object.values(bookmarks).map(({ target }) => target)]).toEqual([[MOVED], [MOVED]]);
  });

  test("is the same for what is deleted at the new path: nothing of it holds layers any more", async () => {
    const on = await withTarget();
    const { id } = await night(on);
    copyTo(on, MOVED);
    remove(on, TARGET);
    await deleteBackup(command(on), [MOVED], id, null);
    expect((await stateOf(on)).bookmarks).toEqual({});
  });

  test("is a copy, where the old one is there too: it is read, and nothing new is put into it", async () => {
    const on = await withTarget();
    const { id } = await night(on);
    copyTo(on, COPY);
    await virsh(on, { do: "make-folder", path: COPY });
    const before = everything(on);
    await expect(backup(command(on), { target: COPY })).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining(`it has the id of ${TARGET}, and is another folder`),
    });
    expect(everything(on)).toBe(before);
    const named = await knownTargets(command(on), COPY, null);
    expect(await listBackups(command(on), named)).toMatchObject([{ id, target: COPY }]);
    expect(await knownTargets(command(on), null, null)).toEqual([TARGET]);
  });
});

describe("a copy that has got an id of its own", () => {
  /** Two of web1 in the target, and the same two and another one in the copy. */
  const withCopy = async () => {
    const on = await withTarget();
    const [first, second] = [await night(on, { name: "a" }), await night(on, { name: "b" })];
    copyTo(on, COPY);
    await virsh(on, { do: "make-folder", path: COPY });
    on.machine.files.delete(`${COPY}/estrato-target.json`);
    await night(on, { target: COPY, type: "other" });
    return { on, first: first.id, second: second.id, both: await knownTargets(command(on), null, null) };
  };
  const inCopy = (on: Bed, id: string) => on.machine.files.has(`${COPY}/${id}/manifest.json`);

  test("holds the same ids: by id or name alone nothing is found, deleted or restored, and both are named", async () => {
    const { on, first, both } = await withCopy();
    const before = everything(on);
    for (const word of [first, "a", "web1/a"]) {
      const refused = {
        code: "not_found",
        message: `backup ${word}: ambiguous: several targets hold it: ${TARGET}, ${COPY}`,
        hint: "Say in which: --target DIR.",
      };
      await expect(findBackup(command(on), both, word)).rejects.toMatchObject(refused);
      await expect(deleteBackup(command(on), both, word, null)).rejects.toMatchObject(refused);
    }
    expect(everything(on)).toBe(before);
    expect(await findBackup(command(on), [COPY], "a")).toMatchObject({ id: first, target: COPY });
  });

  test("what is deleted in it leaves the bookmark of the other: the next one there builds on it", async () => {
    const { on, second } = await withCopy();
    await deleteBackup(command(on), [COPY], second, null);
    expect([inCopy(on, second), Object.keys((await stateOf(on)).bookmarks)]).toEqual([
      false,
      expect.arrayContaining([second]),
    ]);
    expect(await night(on)).toMatchObject({ parent: second });
  });

  test("the question says in which target, where several are known", async () => {
    const { on } = await withCopy();
    const own = await night(on);
    const asked: string[] = [];
    const world = command(on);
    const confirm = async ({ text }: { readonly text: string }) => {
      asked.push(text);
      return false;
    };
    const report = { ...world.report, confirm };
    await deleteBackup({ ...world, report }, [TARGET, COPY], own.id, null);
    expect(asked).toEqual([expect.stringMatching(new RegExp(`^Delete backup ${own.id} of .* in ${TARGET}\\?$`))]);
  });
});
