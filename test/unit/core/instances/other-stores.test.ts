import { expect, test } from "vitest";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { adoptInstance } from "../../../../src/core/instances/release.ts";
import { shareImage } from "../../../../src/core/sharing/share.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import {
  ALICE,
  as,
  BOB,
  fileOf,
  GOLDEN,
  HIDDEN,
  type Hosted,
  hosted,
  stateOf,
  storeOf,
  TOP,
} from "../sharing/world.ts";
import { creation } from "../world.ts";

const HEAD = "lay-0000000000000000d";

/** A guest whose only disk is this file, known to nobody's store but perhaps alice's. */
function guestOn(on: Hosted, path: string, backing: string | null = null): void {
  const { host } = as(on, BOB);
  if (!on.machine.files.has(path))
    host.addFile(path, { mode: 0o600, backing: backing === null ? null : { path: backing, format: "qcow2" } });
  host.addDomain({ name: "w", running: false, disks: [{ device: "vda", path, format: "qcow2" }] });
}

/** Alice's store as it lies on the disk. */
function estate(): Hosted {
  const on = hosted();
  as(on, ALICE).host.addFile(`${storeOf(ALICE)}/state.json`, { format: "raw", text: "{}" });
  return on;
}

async function refused(on: Hosted): Promise<void> {
  const before = JSON.stringify([...on.machine.files.entries()]);
  const world = as(on, BOB);
  await expect(createSnapshot(world, creation("s", { instance: "w" }))).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining(`is a layer of the store ${storeOf(ALICE)}`),
    hint: expect.stringContaining(`--store ${storeOf(ALICE)}`),
  });
  expect(JSON.stringify([...on.machine.files.entries()])).toBe(before);
  expect((await stateOf(on, BOB)).instances).toEqual({});
}

test("a head of another store is not adopted: it stays writable for its guest", async () => {
  const on = estate();
  guestOn(on, fileOf(HEAD));
  await refused(on);
});

test("nor a file that stands on another store's layer", async () => {
  const on = estate();
  guestOn(on, "/srv/clone.qcow2", fileOf(HIDDEN));
  await refused(on);
});

test("nor a layer under another name", async () => {
  const on = estate();
  on.machine.files.set("/srv/link.qcow2", on.machine.files.get(fileOf(TOP)) as never);
  guestOn(on, "/srv/link.qcow2");
  await refused(on);
});

test("a folder that is only called layers is nobody's store", async () => {
  const on = hosted();
  guestOn(on, "/srv/layers/disk.qcow2");
  await adoptInstance(as(on, BOB), "w");
  expect(Object.keys((await stateOf(on, BOB)).instances)).toHaveLength(1);
});

test("what stands on an image that is shared with us is adopted", async () => {
  const on = estate();
  await shareImage(as(on, ALICE), GOLDEN, { users: [], everybody: true });
  guestOn(on, "/srv/clone.qcow2", fileOf(TOP));
  await adoptInstance(as(on, BOB), "w");
  expect(Object.keys((await stateOf(on, BOB)).instances)).toHaveLength(1);
});

test("a guest that another store remembers is not deleted from here: its layers would be left with nobody", async () => {
  const on = estate();
  guestOn(on, fileOf(HEAD));
  await expect(deleteInstance(as(on, BOB), "w", { keepVolumes: false })).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining(`is a layer of the store ${storeOf(ALICE)}`),
  });
  expect(on.machine.domains.size).toBe(1);
});
