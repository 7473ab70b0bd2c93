/** Which backups a word means: an id, a name, INSTANCE/NAME, or the name that an instance has now. */

import { describe, expect, test } from "vitest";
import type { Backup } from "../../../../src/core/backups/backup.ts";
import { deleteBackup } from "../../../../src/core/backups/delete.ts";
import { findBackup } from "../../../../src/core/backups/find.ts";
import { listBackups } from "../../../../src/core/backups/list.ts";
import { pruneBackups } from "../../../../src/core/backups/prune.ts";
import { restoreInPlace } from "../../../../src/core/backups/restore-to.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import { fakeDisk } from "../../../fake/store.ts";
import { type Bed, command, everything, stop, TARGET, UUID, virsh } from "../world.ts";
import { night, withTarget } from "./world.ts";

const OTHER = "22222222-2222-4333-8444-555555555555";
const DISK = "/elsewhere";

function addWeb(on: Bed, name: string, uuid = OTHER): void {
  const { host } = command(on);
  const path = `/disks/${uuid}.qcow2`;
  host.addFile(path, { content: { 0: name } });
  host.addDomain({ name, uuid, disks: [{ device: "vda", path, format: "qcow2" }], running: false });
}

/** web1 and web2 with a backup nightly each, web2's the newer one. */
async function withTwo(): Promise<Bed> {
  const on = await withTarget();
  addWeb(on, "web2");
  await night(on, { name: "nightly" });
  await night(on, { name: "nightly", instance: "web2" });
  return on;
}

async function rename(on: Bed, to: string): Promise<void> {
  await stop(on);
  await setInstance(command(on), "web1", { name: to, properties: {}, dropProperties: [], autostart: null });
}

const find = (on: Bed, word: string, targets = [TARGET]): Promise<Backup> => findBackup(command(on), targets, word);
const list = (on: Bed, instance: string) => listBackups(command(on), [TARGET], { instance });
const prune = (on: Bed, instance: string) =>
  pruneBackups(command(on), [TARGET], { policy: { rotation: 1 }, zone: "UTC" }, { instance, type: null }, null);

describe("a name", () => {
  test("that two instances have backups of is ambiguous, and nothing is restored or deleted", async () => {
    const on = await withTwo();
    const before = everything(on);
    const from = { targets: [TARGET], backup: "nightly", disks: [], passphraseFile: null };
    const refused = { code: "not_found", message: "backup nightly: ambiguous: web1/nightly, web2/nightly" };
    await expect(restoreInPlace(command(on), from, { keepMs: 1 })).rejects.toMatchObject(refused);
    await expect(deleteBackup(command(on), [TARGET], "nightly", null)).rejects.toMatchObject(refused);
    expect(everything(on)).toBe(before);
  });

  test("of one instance means its newest, and INSTANCE/NAME that of this instance", async () => {
    const on = await withTwo();
    const { id } = await night(on, { name: "nightly" });
    expect((await find(on, "web1/nightly")).id).toBe(id);
    expect((await find(on, `${UUID}/nightly`)).id).toBe(id);
    expect((await find(on, "web2/nightly")).manifest?.instance.id).toBe(OTHER);
    for (const word of ["web3/nightly", "web1/weekly", "web1/nightly/x", "web1/"])
      await expect(find(on, word)).rejects.toMatchObject({ code: "not_found" });
  });

  test("that a backup from the future has too: the newest cannot be told", async () => {
    const on = await withTarget();
    const first = await night(on, { name: "nightly" });
    on.clock.advance(400 * 86_400_000);
    const ahead = await night(on, { name: "nightly" });
    on.clock.advance(-400 * 86_400_000);
    await expect(find(on, "nightly")).rejects.toMatchObject({
      code: "not_found",
      message: expect.stringContaining(`${ahead.id} is dated in the future`),
    });
    expect((await find(on, first.id)).id).toBe(first.id);
  });
});

describe("an instance's name", () => {
  test("is the one it has now: after a rename a new one of the old name selects nothing of it", async () => {
    const on = await withTarget();
    await night(on, { name: "nightly" });
    await night(on, { name: "nightly" });
    await rename(on, "web1-old");
    addWeb(on, "web1");
    const own = await night(on, { instance: "web1", name: "own" });
    expect((await prune(on, "web1")).map(({ id }) => id)).toEqual([own.id]);
    expect((await list(on, "web1")).map(({ id }) => id)).toEqual([own.id]);
    expect((await list(on, "web1-old")).map(({ instance }) => instance)).toEqual(["web1-old", "web1-old"]);
    expect((await prune(on, "web1-old")).map(({ action }) => action)).toEqual(["keep", "remove"]);
    await expect(find(on, "web1/nightly")).rejects.toMatchObject({ code: "not_found" });
    expect((await find(on, "web1-old/nightly")).manifest?.instance.name).toBe("web1");
  });

  test("that nobody has any more finds nothing, and a note says who had it", async () => {
    const on = await withTarget();
    await night(on);
    await rename(on, "web1-old");
    const world = command(on);
    expect(await listBackups(world, [TARGET], { instance: "web1" })).toEqual([]);
    expect(world.notes).toEqual([expect.stringMatching(`${UUID}, now web1-old$`)]);
  });

  test("of one that this host does not know is the last that its backups know; two of a name are ambiguous", async () => {
    const on = await withTwo();
    const gone = { ...on, disk: fakeDisk() };
    on.machine.domains.clear();
    expect(await list(gone, "web1")).toHaveLength(1);
    for (const [path, file] of on.machine.files) {
      if (!path.endsWith("manifest.json") || !file.text?.includes(OTHER)) continue;
      const { manifest } = JSON.parse(file.text);
      const { manifestText } = await import("../../../../src/core/backups/manifest.ts");
      file.text = manifestText({ ...manifest, instance: { ...manifest.instance, name: "web1" } });
    }
    for (const select of [list, prune]) {
      await expect(select(gone, "web1")).rejects.toMatchObject({
        code: "not_found",
        message: `instance web1: ambiguous: ${UUID}, ${OTHER}`,
      });
      expect(await select(gone, UUID)).toHaveLength(1);
    }
  });
});

describe("while one of two targets is away", () => {
  async function withTwoTargets(): Promise<{ readonly on: Bed; readonly older: string; readonly away: () => void }> {
    const on = await withTarget();
    await virsh(on, { do: "make-folder", path: DISK });
    const { id: older } = await night(on, { name: "weekly" });
    await night(on, { name: "weekly", target: DISK });
    const away = () => {
      for (const path of [...on.machine.files.keys()]) if (path.startsWith(DISK)) on.machine.files.delete(path);
    };
    return { on, older, away };
  }

  test("a name decides nothing: what is away could be the newer one", async () => {
    const { on, older, away } = await withTwoTargets();
    const both = [TARGET, DISK];
    expect((await find(on, "weekly", both)).target).toBe(DISK);
    away();
    for (const word of ["weekly", "web1/weekly", "nosuch"])
      await expect(find(on, word, both)).rejects.toMatchObject({
        code: "host",
        message: expect.stringContaining(`${DISK}: the backups that it held are not there`),
      });
    const before = everything(on);
    await expect(deleteBackup(command(on), both, "weekly", null)).rejects.toMatchObject({ code: "host" });
    expect(everything(on)).toBe(before);
    expect((await find(on, older, both)).id).toBe(older);
    expect((await find(on, "weekly", [TARGET])).id).toBe(older);
  });
});
