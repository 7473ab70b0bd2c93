import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { createImageFromSnapshot } from "../../../../src/core/images/create-from-snapshot.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { endEverywhere } from "../crashes.ts";
import { ENDINGS } from "../ends.ts";
import {
  type Bed,
  command,
  disksOf,
  type Process,
  start,
  stateOf,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  write,
} from "../world.ts";

const drop = (target: string) => (world: Process) => deleteSnapshot(world, target, { children: false });
const discard = { discard: true, keepMs: 0 };

/** s1, s2 and s3 above each other, each with a cluster of its own; more above the first where `heavy` names one. */
async function three(spec: { running: boolean; heavy?: "s1" | "s2" | "s3" }): Promise<Bed> {
  const on = withGuest();
  for (const [index, name] of ["s1", "s2", "s3"].entries()) {
    write(on, 2, `before ${name}`);
    write(on, 3 + index, name);
    if (spec.heavy === name) for (const cluster of [7, 8, 9, 10]) write(on, cluster, "heavy");
    await take(on, name);
  }
  write(on, 2, "head");
  if (!spec.running) await stop(on);
  return on;
}

describe.each(ENDINGS)("snapshot delete, %s", { timeout: 600_000 }, (_, ending) => {
  test("frees what nothing stands on", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = await three({ running: true });
        await revertSnapshot(command(on), "web1/s1", discard);
        return on;
      },
      run: drop("web1/s3"),
      does: ["unlink"],
    });
  });

  test("merges up with nobody running", async () => {
    await endEverywhere(ending, {
      prepare: () => three({ running: false, heavy: "s3" }),
      run: drop("web1/s2"),
      does: ["rebase"],
    });
  });

  test("merges down with nobody running, and re-points the sibling that stands on the child", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = await three({ running: true, heavy: "s2" });
        await revertSnapshot(command(on), "web1/s3", { discard: false, keepMs: 86_400_000 });
        await stop(on);
        return on;
      },
      run: drop("web1/s2"),
      does: ["commit", "relink"],
    });
  });

  test("pulls into the head of a running guest", async () => {
    await endEverywhere(ending, {
      prepare: () => three({ running: true }),
      run: drop("web1/s3"),
      does: ["block-pull"],
    });
  });

  test("commits a middle layer under a running guest", async () => {
    await endEverywhere(ending, {
      prepare: () => three({ running: true }),
      run: drop("web1/s2"),
      does: ["block-commit"],
    });
  });

  test("commits the layer above a file that was there before us", async () => {
    await endEverywhere(ending, {
      prepare: () => three({ running: true }),
      run: drop("web1/s1"),
      does: ["block-commit"],
    });
  });

  test("commits the head of a running guest into the file that was there before us, and goes on in it", async () => {
    const one = async () => {
      const on = withGuest({ disks: [{ content: { 0: "boot", 1: "root" }, format: "raw" }] });
      await take(on, "s1");
      write(on, 2, "head");
      write(on, 3, "more");
      return on;
    };
    await endEverywhere(ending, { prepare: one, run: drop("web1/s1"), does: ["block-commit-active"] });
  });

  test("commits a head that is off into the file that was there before us", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = withGuest({ disks: [{ content: { 0: "boot", 1: "root" }, format: "raw" }] });
        await take(on, "s1");
        write(on, 2, "head");
        write(on, 3, "more");
        await stop(on);
        return on;
      },
      run: drop("web1/s1"),
      does: ["commit"],
    });
  });

  test("leaves the image that was made from it", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = await three({ running: true });
        await createImageFromSnapshot(command(on), {
          name: "golden",
          properties: {},
          minDiskBytes: null,
          minRamBytes: null,
          protect: false,
          snapshot: "web1/s2",
        });
        await stop(on);
        await start(on);
        return on;
      },
      run: drop("web1/s2"),
    });
  });
});

/** s1 is deleted, with nobody running, and the command dies in the middle of the merge. */
async function cutOff(): Promise<Bed> {
  const on = withGuest();
  await take(on, "s1");
  write(on, 2, "head");
  await stop(on);
  const world = command(on);
  world.host.crashAtNext("commit", "midway");
  await expect(deleteSnapshot(world, "web1/s1", { children: false })).rejects.toThrow("killed");
  on.disk.locks.clear();
  return on;
}

describe("where somebody has pulled the chain into the head (virsh blockpull)", () => {
  const pulled = async () => {
    const on = withGuest();
    await take(on, "s1");
    write(on, 2, "head");
    await virsh(on, { do: "block-pull", domain: UUID, device: "vda", base: null });
    await stop(on);
    return on;
  };

  test("nothing is merged by the record, and the guest goes on", async () => {
    const on = await pulled();
    const world = command(on);
    await deleteSnapshot(world, "web1/s1", { children: false });
    expect([...on.disk.journal.keys()]).toEqual([]);
    expect(world.notes.join()).toContain("it does not stand on /disks/web1-vda.qcow2, as is recorded");
    expect((await repair(command(on, { answer: false }))).map(({ problem }) => problem)).toContainEqual(
      expect.stringContaining("stands on nothing, recorded is /disks/web1-vda.qcow2; all that lay between is in it"),
    );
    expect(await examine(command(on))).toEqual([]);
    expect(Object.values((await stateOf(on)).layers).map(({ parent }) => parent)).toEqual([null]);
    await startInstance(command(on), "web1");
    expect(await disksOf(on)).toEqual({ vda: { 0: "boot", 1: "root", 2: "head" } });
  });

  test("a merge that had begun is given up", async () => {
    const on = await cutOff();
    await start(on);
    await virsh(on, { do: "block-pull", domain: UUID, device: "vda", base: null });
    await stop(on);
    await startInstance(command(on), "web1");
    expect([...on.disk.journal.keys()]).toEqual([]);
    expect(await disksOf(on)).toEqual({ vda: { 0: "boot", 1: "root", 2: "head" } });
  });
});

test("a file that another tool has put on a head keeps that from being merged away under it", async () => {
  const on = await cutOff();
  const { host } = command(on);
  const top = (await host.domainStatus(UUID))?.inactive.disks[0]?.source ?? "";
  const path = "/other/o0.qcow2";
  await virsh(on, { do: "create-disk", path, backing: { path: top, format: "qcow2" }, sizeBytes: 8 * 65_536 });
  await virsh(on, { do: "redefine", domain: UUID, disks: [{ device: "vda", path, format: "qcow2" }] });
  const left = await repair(command(on, { answer: false }));
  expect(left.map(({ problem, remedy }) => `${problem}. ${remedy}`).join()).toMatch(
    /\/other\/o0\.qcow2, a disk of web1, stands on .* which is to go\. Let the tool/,
  );
  expect(await disksOf(on)).toEqual({ vda: { 0: "boot", 1: "root", 2: "head" } });
  await virsh(on, { do: "redefine", domain: UUID, disks: [{ device: "vda", path: top, format: "qcow2" }] });
  await repair(command(on, { answer: false }));
  expect([...on.disk.journal.keys()]).toEqual([]);
  expect(await disksOf(on)).toEqual({ vda: { 0: "boot", 1: "root", 2: "head" } });
});
