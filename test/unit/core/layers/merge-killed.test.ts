import { describe, test } from "vitest";
import { createImageFromSnapshot } from "../../../../src/core/images/create-from-snapshot.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { killEverywhere } from "../crashes.ts";
import { type Bed, command, type Process, start, stop, take, withGuest, write } from "../world.ts";

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

describe("snapshot delete, killed at every point", () => {
  test("frees what nothing stands on", async () => {
    await killEverywhere({
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
    await killEverywhere({
      prepare: () => three({ running: false, heavy: "s3" }),
      run: drop("web1/s2"),
      does: ["rebase"],
    });
  });

  test("merges down with nobody running, and re-points the sibling that stands on the child", async () => {
    await killEverywhere({
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
    await killEverywhere({ prepare: () => three({ running: true }), run: drop("web1/s3"), does: ["block-pull"] });
  });

  test("commits a middle layer under a running guest", async () => {
    await killEverywhere({ prepare: () => three({ running: true }), run: drop("web1/s2"), does: ["block-commit"] });
  });

  test("commits the layer above a file that was there before us", async () => {
    await killEverywhere({ prepare: () => three({ running: true }), run: drop("web1/s1"), does: ["block-commit"] });
  });

  test("commits the head of a running guest into the file that was there before us, and goes on in it", async () => {
    const one = async () => {
      const on = withGuest({ disks: [{ content: { 0: "boot", 1: "root" }, format: "raw" }] });
      await take(on, "s1");
      write(on, 2, "head");
      write(on, 3, "more");
      return on;
    };
    await killEverywhere({ prepare: one, run: drop("web1/s1"), does: ["block-commit-active"] });
  });

  test("commits a head that is off into the file that was there before us", async () => {
    await killEverywhere({
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
    await killEverywhere({
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
