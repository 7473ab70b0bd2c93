/**
 * Whatever changes the machine gets the descriptors of the locks, so that they outlive a command that is killed, until
 * its children end.
 */
import { expect, test } from "vitest";
import { restoreInPlace } from "../../../src/core/backups/restore-to.ts";
import { resizeInstance } from "../../../src/core/instances/resize.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../src/core/snapshots/revert.ts";
import { backup, withTarget } from "./backups/world.ts";
import { backupsOf, command, creation, type Process, TARGET, write } from "./world.ts";

const VERBS: [string, (world: Process, backups: readonly string[]) => Promise<unknown>][] = [
  ["a snapshot, tried to quiesce", (world) => createSnapshot(world, creation("s2", { quiesce: "try" }))],
  ["a revert", (world) => revertSnapshot(world, "web1/s1", { discard: false, keepMs: 60_000 })],
  ["a deletion, which merges", (world) => deleteSnapshot(world, "web1/s1", { children: false })],
  ["a backup, and its rotation", (world) => backup(world, {}, 1)],
  [
    "a restore",
    (world, backups) =>
      restoreInPlace(
        world,
        { targets: [TARGET], backup: backups[0] ?? "", disks: [], passphraseFile: null },
        { keepMs: 60_000 },
      ),
  ],
  [
    "a new size",
    (world) =>
      resizeInstance(world, "web1", { flavor: null, vcpus: 2, ramBytes: null, restart: true, timeoutMs: 1000 }),
  ],
];

test.each(VERBS)("%s", async (_, verb) => {
  const on = await withTarget();
  await createSnapshot(command(on), creation("s1"));
  await backup(command(on));
  write(on, 2, "later");
  const world = command(on);
  const { perform } = world.host;
  const without: string[] = [];
  world.host.perform = async (action, how) => {
    const startsChild = world.host
      .commandsFor(action)
      .some(({ program }) => program === "virsh" || program === "qemu-img");
    if (startsChild && (how?.lockFds ?? []).length === 0) without.push(action.do);
    await perform(action, how);
  };
  await verb(world, backupsOf(on));
  expect(world.host.performed.length).toBeGreaterThan(0);
  expect(without).toEqual([]);
});
