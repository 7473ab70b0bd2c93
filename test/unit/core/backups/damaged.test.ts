/** What verify found is remembered in the target: not built on, not counted, not merged, until it is whole again. */
import { describe, expect, test } from "vitest";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { setProtected } from "../../../../src/core/backups/protect.ts";
import { restoreVolume } from "../../../../src/core/backups/restore-to.ts";
import { verifyAll, verifyBackup } from "../../../../src/core/backups/verify.ts";
import { measure } from "../../../../src/core/check/measure.ts";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { fakeDisk } from "../../../fake/store.ts";
import { type Bed, backupsOf, command, everything, TARGET, write } from "../world.ts";
import { backup, night, withTarget } from "./world.ts";

const disk = (id: string) => `${TARGET}/${id}/vda.qcow2`;
const note = (id: string) => `${TARGET}/${id}/damaged.json`;
const verify = (on: Bed, id: string) => verifyBackup(command(on), [TARGET], id);
const list = async (on: Bed) =>
  (await listBackups(command(on), [TARGET])).map(({ id, status }) => `${id.slice(-1)} ${status}`);
const incremental = async (on: Bed, word: string) => {
  write(on, 2, word);
  return (await night(on)).id;
};

async function spoil(on: Bed, id: string): Promise<void> {
  on.machine.files.get(disk(id))?.clusters.set(0, "rot");
  expect(await verify(on, id)).toMatchObject({ status: "damaged" });
}

/** A full one, and one that builds on it. */
async function withChain(): Promise<{ readonly on: Bed; readonly full: string; readonly above: string }> {
  const on = await withTarget();
  const full = await incremental(on, "one");
  return { on, full, above: await incremental(on, "two") };
}

describe("a backup that verify found damaged", () => {
  test("is damaged in every store's list, and so is what builds on it", async () => {
    const { on, full } = await withChain();
    await spoil(on, full);
    expect(await list(on)).toEqual(["1 damaged", "2 damaged"]);
    expect(await list({ ...on, disk: fakeDisk() })).toEqual(["1 damaged", "2 damaged"]);
    expect([...on.machine.files.keys()].filter((path) => path.endsWith("/damaged.json"))).toEqual([note(full)]);
  });

  test("and that alone, where what it builds on is whole", async () => {
    const { on, above } = await withChain();
    await spoil(on, above);
    expect(await list(on)).toEqual(["1 available", "2 damaged"]);
  });

  test("is whole again when a later verify says so", async () => {
    const { on, full } = await withChain();
    const was = on.machine.files.get(disk(full))?.clusters.get(0) ?? null;
    await spoil(on, full);
    on.machine.files.get(disk(full))?.clusters.set(0, was);
    expect(await verifyAll(command(on), TARGET)).toMatchObject([{ status: "ok" }, { status: "ok" }]);
    expect(await list(on)).toEqual(["1 available", "2 available"]);
    expect(on.machine.files.has(note(full))).toBe(false);
  });

  test("is looked for no longer than until somebody interrupts, and nothing is said of the rest", async () => {
    const { on, above } = await withChain();
    on.machine.files.get(disk(above))?.clusters.set(0, "rot");
    const ending = new AbortController();
    const world = command(on, { signal: ending.signal });
    const blockSums = world.host.blockSums;
    world.host.blockSums = async (...asked) => {
      const found = await blockSums(...asked);
      ending.abort();
      return found;
    };
    await expect(verifyAll(world, TARGET)).rejects.toMatchObject({ code: "interrupted" });
    expect(await list(on)).toEqual(["1 available", "2 available"]);
  });

  test("is not built on: the next one is full, and says why", async () => {
    const { on, above } = await withChain();
    await spoil(on, above);
    const world = command(on);
    expect(await backup(world)).toMatchObject({ incremental: false });
    expect(world.notes).toContain(`web1: the backup before, ${above}, is damaged: this one is full`);
    expect(await incremental(on, "three")).not.toBe("");
    expect((await list(on)).slice(2)).toEqual(["3 available", "4 available"]);
  });

  test("is not counted: a rotation removes no good one for it", async () => {
    const on = await withTarget();
    const good = (await night(on, { incremental: false })).id;
    const bad = (await night(on, { incremental: false })).id;
    await spoil(on, bad);
    const next = (await night(on, { incremental: false }, 2)).id;
    expect(backupsOf(on)).toEqual([good, bad, next]);
  });

  test("is not merged, which would vouch for it anew: what it builds on stays, and a note says so", async () => {
    const { on, full, above } = await withChain();
    await spoil(on, above);
    const before = everything(on);
    await expect(deleteBackup(command(on), [TARGET], full, null)).rejects.toMatchObject({ code: "integrity" });
    expect(everything(on)).toBe(before);
    const world = command(on);
    await backup(world, {}, 1);
    expect(world.notes).toContain(`backup ${full}: kept this time, ${above}, which is damaged, builds on it`);
    expect(await verify(on, above)).toMatchObject({ status: "damaged" });
    await setProtected(command(on), [TARGET], above, true);
    await setProtected(command(on), [TARGET], above, false);
    await deleteBackup(command(on), [TARGET], above, null);
    await deleteBackup(command(on), [TARGET], full, null);
    expect(await list(on)).toEqual(["3 available"]);
  });

  test("or whose manifest is, keeps what it builds on, and is available again when that is put back", async () => {
    const { on, full, above } = await withChain();
    const manifest = on.machine.files.get(`${TARGET}/${above}/manifest.json`);
    const text = manifest?.text ?? "";
    Object.assign(manifest ?? {}, { text: "{" });
    const world = command(on);
    on.clock.advance(3_600_000);
    await backup(world, {}, 1);
    expect(world.notes).toContain(`backup ${full}: kept this time, ${above}, which is damaged, builds on it`);
    const before = everything(on);
    await expect(deleteBackup(command(on), [TARGET], full, null)).rejects.toMatchObject({ code: "integrity" });
    expect(everything(on)).toBe(before);
    Object.assign(manifest ?? {}, { text });
    expect((await verifyAll(command(on), TARGET)).map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
    expect(await list(on)).toEqual(["1 available", "2 available", "3 available"]);
  });

  test("is not restored, check warns of it, and doctor names it", async () => {
    const { on, full } = await withChain();
    await spoil(on, full);
    const from = { targets: [TARGET], backup: full, disks: [], passphraseFile: null };
    await expect(restoreVolume(command(on), from, "old")).rejects.toMatchObject({ code: "integrity" });
    expect((await measure(command(on), null)).damaged.map(({ backup: id }) => id)).toHaveLength(2);
    expect((await examine(command(on))).map(({ subject }) => subject)).toContain(`backup ${full}`);
  });

  test("in a target that cannot be written is named all the same, and that it is not kept is said", async () => {
    const { on, full } = await withChain();
    on.machine.files.get(disk(full))?.clusters.set(0, "rot");
    const world = command(on);
    world.host.failNext("write-file", new EstratoError("host", "it is read-only"));
    expect(await verifyBackup(world, [TARGET], full)).toMatchObject({ status: "damaged" });
    expect(world.notes).toEqual([`${full}: that it is damaged cannot be kept: it is read-only`]);
  });

  test("a dry run of verify keeps nothing; a note that cannot be read counts", async () => {
    const { on, full } = await withChain();
    on.machine.files.get(disk(full))?.clusters.set(0, "rot");
    await verifyBackup(command(on, { dryRun: true }), [TARGET], full);
    expect(on.machine.files.has(note(full))).toBe(false);
    command(on).host.addFile(note(full), { format: "raw", text: "{" });
    expect(await list(on)).toEqual(["1 damaged", "2 damaged"]);
  });

  test("keeps nobody from reading the others, whatever lies in a file's place", async () => {
    const { on, full } = await withChain();
    const other = (await night(on, { incremental: false })).id;
    for (const path of ["vda.qcow2", "vda.sums", "definition.xml"].map((file) => `${TARGET}/${full}/${file}`)) {
      const file = on.machine.files.get(path);
      if (file === undefined) throw new Error(`no file ${path}`);
      file.isBlockDevice = true;
      const seen = await verifyAll(command(on), TARGET);
      expect(seen.map(({ status }) => status)).toEqual(["damaged", "damaged", "ok"]);
      expect(seen[0]?.problems).toEqual([`${path}: it is no regular file`]);
      file.isBlockDevice = false;
      expect((await verifyAll(command(on), TARGET)).map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
    }
    expect(backupsOf(on)).toContain(other);
  });

  test("is told, and not remembered, where the disk did not read it; the others are read", async () => {
    const { on, full } = await withChain();
    await night(on, { incremental: false });
    const world = command(on);
    const { blockSums } = world.host;
    const failing: typeof blockSums = async (path, ...how) => {
      if (path !== disk(full)) return blockSums(path, ...how);
      throw Object.assign(new Error("EIO: i/o error, read"), { code: "EIO", syscall: "read" });
    };
    Object.assign(world.host, { blockSums: failing });
    const seen = await verifyAll(world, TARGET);
    expect(seen.map(({ status }) => status)).toEqual(["damaged", "damaged", "ok"]);
    expect(seen[0]?.problems).toEqual([`${TARGET}/${full}: the disk does not read one of its files`]);
    expect(await list(on)).toEqual(["1 available", "2 available", "3 available"]);
  });

  test("is what stands on one that is missing, whose own files are not called so; all others are read", async () => {
    const { on, full, above } = await withChain();
    const rotten = (await night(on, { incremental: false })).id;
    on.machine.files.get(disk(rotten))?.clusters.set(0, "rot");
    const aside = [...on.machine.files].filter(([path]) => path.startsWith(`${TARGET}/${full}/`));
    for (const [path] of aside) on.machine.files.delete(path);
    on.machine.folders.delete(`${TARGET}/${full}`);
    const seen = await verifyAll(command(on), TARGET);
    expect(seen.map(({ id, status }) => [id, status])).toEqual([
      [above, "damaged"],
      [rotten, "damaged"],
    ]);
    expect(seen[0]?.problems[0]).toBe(`${full}, on which it builds, is missing or damaged`);
    expect([above, rotten].map((id) => on.machine.files.has(note(id)))).toEqual([false, true]);
    for (const [path, file] of aside) on.machine.files.set(path, file);
    on.machine.folders.add(`${TARGET}/${full}`);
    expect(await list(on)).toEqual(["1 available", "2 available", "3 damaged"]);
  });

  test("is remembered though what is read after it ends the reading", async () => {
    const on = await withTarget();
    const [one, two] = [(await night(on, { incremental: false })).id, (await night(on, { incremental: false })).id];
    for (const id of [one, two]) on.machine.files.get(disk(id))?.clusters.set(0, "rot");
    const world = command(on);
    const { blockSums } = world.host;
    let looks = 0;
    world.host.blockSums = async (path, ...how) => {
      looks += 1;
      if (looks === 4) throw new EstratoError("timeout", "it does not answer"); // the second one, again
      return blockSums(path, ...how);
    };
    await expect(verifyAll(world, TARGET)).rejects.toMatchObject({ code: "timeout" });
    expect([one, two].map((id) => on.machine.files.has(note(id)))).toEqual([true, false]);
  });
});

describe("a backup of which the disk does not read the manifest", () => {
  const failing = (on: Bed, id: string, code = "EIO") => {
    const world = command(on);
    const { readText, imageChain } = world.host;
    const fails = (path: string) => {
      if (path.startsWith(`${TARGET}/${id}/`)) throw Object.assign(new Error(code), { code, syscall: "read", path });
    };
    world.host.readText = async (path, most) => {
      fails(path);
      return readText(path, most);
    };
    world.host.imageChain = async (path, format) => {
      fails(path);
      return imageChain(path, format);
    };
    return world;
  };

  test("is damaged; the others are listed, restored, verified and taken as ever", async () => {
    const { on, above } = await withChain();
    const other = (await night(on, { incremental: false })).id;
    const views = await listBackups(failing(on, above), [TARGET]);
    expect(views.map(({ status }) => status).sort()).toEqual(["available", "available", "damaged"]);
    const from = { targets: [TARGET], backup: other, disks: [], passphraseFile: null };
    expect(await restoreVolume(failing(on, above), from, "old")).toMatchObject({ name: "old" });
    expect(await verifyBackup(failing(on, above), [TARGET], other)).toMatchObject({ status: "ok" });
    expect(await backup(failing(on, above), {}, 9)).toMatchObject({ incremental: true });
  });

  test("may build on any other: none goes while it is so", async () => {
    const { on, full, above } = await withChain();
    const other = (await night(on, { incremental: false })).id;
    for (const id of [full, other]) {
      const refused = deleteBackup(failing(on, above), [TARGET], id, null);
      await expect(refused).rejects.toMatchObject({ code: "integrity" });
    }
    on.clock.advance(3_600_000);
    await backup(failing(on, above), { incremental: false }, 1);
    expect(backupsOf(on)).toHaveLength(4);
  });
});
