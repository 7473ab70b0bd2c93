/**
 * A command is killed, and before the next one somebody else works on the guest: puts a file on its disk as backup
 * tools do, renames it, takes a disk out, pulls its chain into the head. Whatever was begun ends, and the guest has
 * what it had by then.
 */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../src/core/doctor/doctor.ts";
import { resizeInstance } from "../../../src/core/instances/resize.ts";
import { createSnapshot } from "../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../src/core/snapshots/revert.ts";
import { everyEnd, type Work } from "./ends.ts";
import {
  type Bed,
  command,
  contentsOf,
  creation,
  disksOf,
  start,
  stateOf,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  write,
} from "./world.ts";

const TWO = [{ content: { 0: "boot" } }, { content: { 0: "data" } }] as const;

async function written(running: boolean): Promise<Bed> {
  const on = withGuest({ disks: TWO });
  write(on, 2, "first");
  await take(on, "s1");
  write(on, 2, "second");
  write(on, 5, "new", "vdb");
  if (!running) await stop(on);
  return on;
}

const REVERTED = { 0: "boot", 2: "first" };

const works: Readonly<Record<string, (running: boolean) => Work>> = {
  "snapshot create": (running) => ({
    prepare: () => written(running),
    run: (world) => createSnapshot(world, creation("s2")),
  }),
  "snapshot revert": (running) => ({
    prepare: () => written(running),
    run: (world) => revertSnapshot(world, "web1/s1", { discard: false, keepMs: 86_400_000 }),
  }),
  "instance resize": (running) => ({
    prepare: () => written(running),
    run: (world) =>
      resizeInstance(world, "web1", { flavor: null, vcpus: 2, ramBytes: null, restart: running, timeoutMs: 1000 }),
  }),
  "snapshot delete": (running) => ({
    prepare: () => written(running),
    run: (world) => deleteSnapshot(world, "web1/s1", { children: false }),
  }),
};

/**
 * As `virsh snapshot-create-as --disk-only --no-metadata`; libvirt takes none where it knows of another head than QEMU.
 */
async function overlay(on: Bed): Promise<boolean> {
  const { host } = command(on);
  const status = await host.domainStatus(UUID);
  const open = status?.live == null ? [] : await host.qemuDisks(UUID);
  const defined = status?.live ?? status?.inactive;
  const top = defined?.disks[0]?.source ?? "";
  if (status?.live != null && open[0]?.chain[0] !== top) return false;
  if ((status?.jobs ?? []).length > 0) return false;
  const info = await host.imageInfo(top, { shared: true });
  const path = "/other/o0.qcow2";
  const backing = { path: top, format: info?.format === "raw" ? "raw" : "qcow2" } as const;
  await virsh(on, { do: "create-disk", path, backing, sizeBytes: info?.virtualSizeBytes ?? 0 });
  if (status?.live != null) {
    const disks = [{ device: "vda", path }];
    await virsh(on, { do: "switch-disks", domain: UUID, disks, excluded: ["vdb"], quiesce: false });
  } else await virsh(on, { do: "redefine", domain: UUID, disks: [{ device: "vda", path, format: "qcow2" }] });
  return true;
}

/** As the tool does in the end: what it put there goes back into what it lies on. */
async function mergedBack(on: Bed): Promise<void> {
  await start(on);
  const base = (await command(on).host.qemuDisks(UUID))[0]?.chain[1] ?? "";
  await virsh(on, { do: "block-commit-active", domain: UUID, device: "vda", base });
  await stop(on);
}

async function renamed(on: Bed): Promise<boolean> {
  await stop(on);
  await virsh(on, { do: "rename", domain: UUID, name: "web2" });
  return true;
}

async function detached(on: Bed): Promise<boolean> {
  if (on.machine.domains.get(UUID)?.state === "paused") return false;
  await virsh(on, { do: "detach-disk", domain: UUID, device: "vdb", timeoutMs: 1000 });
  return true;
}

async function pulled(on: Bed): Promise<boolean> {
  const domain = on.machine.domains.get(UUID);
  if (domain?.live == null || domain.jobs.length > 0) return false;
  const status = await command(on).host.domainStatus(UUID);
  // libvirt notes it in the live definition alone
  if (status?.live?.disks[0]?.source !== status?.inactive.disks[0]?.source) return false;
  await virsh(on, { do: "block-pull", domain: UUID, device: "vda", base: null });
  return true;
}

const meddlings = { overlay, renamed, detached, pulled };

describe.each(Object.keys(works))("%s, killed", { timeout: 600_000 }, (name) => {
  test.each(Object.keys(meddlings).flatMap((by) => [true, false].map((running) => [by, running] as const)))(
    "and %s since (running: %s)",
    async (by, running) => {
      const { ends } = await everyEnd("killed", (works[name] as (running: boolean) => Work)(running));
      let cases = 0;
      for (const end of ends.filter(({ isStep }) => !isStep)) {
        const on = await end.strike();
        on.disk.locks.clear();
        const domain = on.machine.domains.get(UUID);
        if (domain?.state === "paused") continue;
        if (!(await meddlings[by as keyof typeof meddlings](on).catch(() => false))) continue;
        cases += 1;
        if (domain?.live == null) await start(on).catch(() => undefined); // a frozen file keeps it off
        if (domain?.live != null) write(on, 7, "since");
        const held = await disksOf(on); // QEMU's word, where it runs
        await stop(on);
        const world = command(on, { answer: false });
        const left = await repair(world);
        const where = `${end.point}\n${world.notes.join("\n")}`;
        if (by === "overlay" && on.disk.journal.size > 0) {
          expect(left.map(({ problem }) => problem).join(), where).toContain(
            "/other/o0.qcow2, a disk of web1, stands on",
          );
          await mergedBack(on);
          await repair(command(on, { answer: false }));
        }
        expect([...on.disk.journal.values()], where).toEqual([]);
        await stop(on); // what was reverted runs again
        await repair(command(on, { answer: false }));
        const now = await disksOf(on);
        if (name === "snapshot revert" && JSON.stringify(now.vda) === JSON.stringify(REVERTED)) {
          const kept = (await stateOf(on)).instances[UUID]?.undo ?? "";
          expect((await contentsOf(on, kept)).vda, where).toEqual(held.vda);
        } else expect(now.vda, where).toEqual(held.vda);
        await start(on);
        write(on, 8, "on");
        expect((await disksOf(on)).vda, where).toEqual({ ...now.vda, 8: "on" });
        const found = (await examine(command(on))).map(({ problem }) => problem);
        expect(
          found.filter((problem) => !/nothing that anybody|a file with|recorded is/.test(problem)),
          where,
        ).toEqual([]);
      }
      expect(cases).toBeGreaterThan(by === "pulled" && !running ? -1 : 3);
    },
  );
});
