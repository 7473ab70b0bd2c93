/** Rotation: what is known to be in the way keeps a backup this time, and what was done is told beside what failed. */
import { describe, expect, test } from "vitest";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { takeLocks } from "../../../../src/core/operations/locks.ts";
import { type Bed, backupsOf, command, everything, TARGET, virsh, write } from "../world.ts";
import { backup, night, withTarget } from "./world.ts";

const OTHER = "/others";
const ONE = { policy: { rotation: 1 }, zone: "UTC" };
const ALL = { instance: null, type: null };
const sealed = { passphraseFile: "/key" };

/** Two encrypted ones, the second on the first. */
async function withSealed(): Promise<Bed> {
  const on = await withTarget();
  command(on).host.addFile("/key", { format: "raw", text: "sesame\n" });
  for (const word of ["one", "two"]) {
    write(on, 2, word);
    await night(on, sealed);
  }
  return on;
}

test("what is to build on a backup of another passphrase is refused before anything changes, and a full one is not", async () => {
  const on = await withSealed();
  command(on).host.addFile("/new", { format: "raw", text: "another\n" });
  const before = everything(on);
  for (const dryRun of [true, false]) {
    const refused = backup({ ...command(on), dryRun }, { passphraseFile: "/new" });
    await expect(refused).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("the passphrase in /new does not open it"),
    });
    expect(everything(on)).toBe(before);
  }
  expect(await night(on, { passphraseFile: "/new", incremental: false })).toMatchObject({ incremental: false });
  expect(await night(on, { passphraseFile: "/new" })).toMatchObject({ incremental: true });
});

describe("where a merge needs a passphrase and none is given", () => {
  test("what would be merged is kept this time, and each night goes well until the last has gone", async () => {
    const on = await withSealed();
    const [first, second] = backupsOf(on);
    const world = command(on);
    on.clock.advance(3_600_000);
    expect(await backup(world, {}, 1)).toMatchObject({ removed: [second] });
    expect(world.notes).toContain(
      `backup ${first}: kept this time, encrypted: ${second} builds on it, and no passphrase is given`,
    );
    expect(await night(on, {}, 1)).toMatchObject({ removed: expect.arrayContaining([first]) });
    expect(backupsOf(on)).toHaveLength(1);
  });

  test("the plan says the same", async () => {
    const on = await withSealed();
    on.clock.advance(3_600_000);
    const plan = await backup({ ...command(on), dryRun: true }, {}, 1);
    const [first = "", second = ""] = backupsOf(on);
    const notes = "notes" in plan ? plan.notes.join() : "";
    expect(notes).toContain(`Backup ${second} will go`);
    expect(notes).not.toContain(`Backup ${first} will go`);
  });

  test("with it they are merged, and a deletion without it is refused", async () => {
    const on = await withSealed();
    const [first = ""] = backupsOf(on);
    await expect(deleteBackup(command(on), [TARGET], first, null)).rejects.toMatchObject({ code: "usage" });
    await night(on, sealed, 1);
    expect(backupsOf(on)).toHaveLength(1);
  });

  test("prune keeps it as well, and says why", async () => {
    const on = await withSealed();
    const pruned = await pruneBackups(command(on), [TARGET], ONE, ALL, null);
    expect(pruned.map(({ action }) => action)).toEqual(["keep", "keep"]);
    expect(pruned[1]?.why).toEqual([expect.stringContaining("no passphrase is given")]);
  });
});

describe("what cannot be removed", () => {
  const stuck = () => new Error("the disk is full");
  /** Full ones; the oldest goes first, and removing the second fails. */
  const failing = async () => {
    const on = await withTarget();
    for (const _ of [1, 2, 3]) await night(on, { incremental: false });
    const [first = "", second = ""] = backupsOf(on);
    const world = command(on);
    const { perform } = world.host;
    world.host.perform = async (action, ...more) => {
      if ("path" in action && action.path.startsWith(`${TARGET}/${second}/`)) throw stuck();
      return perform(action, ...more);
    };
    on.clock.advance(3_600_000);
    return { on, world, first, second };
  };

  test("is told with the backup that is there, and with those that have gone", async () => {
    const { on, world, first } = await failing();
    await expect(backup(world, { incremental: false }, 1)).rejects.toThrow("the disk is full");
    const newest = backupsOf(on).at(-1);
    expect(world.notes).toContain(
      `backup ${newest} is there, and not all could be removed that is to go, removed: ${first}`,
    );
    expect(backupsOf(on)).toHaveLength(3);
  });

  test("keeps prune from nothing else, and is told beside it", async () => {
    const { world, first, second } = await failing();
    const failures: Error[] = [];
    const pruned = await pruneBackups(world, [TARGET], ONE, ALL, null, (error) => failures.push(error));
    expect(failures).toMatchObject([{ message: expect.stringContaining("the disk is full") }]);
    const became = new Map(pruned.map(({ id, action, why }) => [id, [action, ...why]]));
    expect(became.get(first)).toEqual(["remove", "beyond rotation 1"]);
    expect(became.get(second)).toEqual(["keep", "it could not be removed"]);
  });
});

describe("prune over several targets", () => {
  const withTwo = async () => {
    const on = await withTarget();
    await virsh(on, { do: "make-folder", path: OTHER });
    for (const target of [TARGET, TARGET, OTHER]) await night(on, { target, incremental: false });
    return on;
  };

  test("removes nothing where one of them is away", async () => {
    const on = await withTwo();
    for (const path of [...on.machine.files.keys()]) if (path.startsWith(OTHER)) on.machine.files.delete(path);
    const before = everything(on);
    const failures: Error[] = [];
    const pruning = pruneBackups(command(on), [TARGET, OTHER], ONE, ALL, null, (error) => failures.push(error));
    await expect(pruning).rejects.toMatchObject({ code: "host" });
    expect([everything(on), failures]).toEqual([before, []]);
  });

  test("goes on with the next where one is at work in it, and tells both", async () => {
    const on = await withTwo();
    const held = await takeLocks(command(on), [OTHER], 0);
    const failures: Error[] = [];
    const pruned = await pruneBackups(command(on), [OTHER, TARGET], ONE, ALL, null, (error) => failures.push(error));
    await held.release();
    expect(pruned.map(({ action }) => action)).toEqual(["keep", "remove"]);
    expect(failures).toMatchObject([{ code: "conflict" }]);
  });
});
