import { describe, expect, test } from "vitest";
import { resizeInstance } from "../../../../src/core/instances/resize.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { killEverywhere } from "../crashes.ts";
import { type Bed, creation, stop, take, UUID, virsh, withGuest, write } from "../world.ts";

const keep = { discard: false, keepMs: 86_400_000 };
const BEFORE = { vda: { 0: "boot", 2: "first" }, vdb: { 0: "data" } };

function guest(): Bed {
  const on = withGuest({ disks: [{ content: { 0: "boot" } }, { content: { 0: "data" }, format: "raw" }] });
  write(on, 2, "first");
  return on;
}

async function written(after: "running" | "paused" | "off"): Promise<Bed> {
  const on = guest();
  await take(on, "m1", { memory: true });
  write(on, 2, "second");
  write(on, 5, "new", "vdb");
  if (after === "off") await stop(on);
  if (after === "paused") await virsh(on, { do: "suspend", domain: UUID });
  return on;
}

describe("snapshot create --memory, killed at every point", () => {
  test.each(["running", "paused"])("the guest goes on with all that it wrote (%s)", async (state) => {
    const cases = await killEverywhere({
      prepare: async () => {
        const on = guest();
        if (state === "paused") await virsh(on, { do: "suspend", domain: UUID });
        return on;
      },
      run: (world) => createSnapshot(world, creation("m1", { memory: true })),
      does: ["switch-disks", "sync"],
    });
    expect(cases).toBeGreaterThan(100);
  });
});

describe("a revert to memory, killed at every point", () => {
  test.each(["running", "paused", "off"] as const)(
    "leaves what was, or what was asked for with the rest kept; no memory meets disks of another instant (%s)",
    async (after) => {
      await killEverywhere({
        prepare: () => written(after),
        run: (world) => revertSnapshot(world, "web1/m1", keep),
        does: ["restore-memory"],
        forward: BEFORE,
        keeps: true,
      });
    },
  );
});

describe("instance resize, killed at every point", () => {
  test.each(["running", "off"] as const)("its disks stay as they are, and nothing is left over (%s)", async (state) => {
    const size = { flavor: null, vcpus: 2, ramBytes: 512 * 2 ** 20, timeoutMs: 1000 };
    await killEverywhere({
      prepare: () => written(state),
      run: (world) => resizeInstance(world, "web1", { ...size, restart: state === "running" }),
      does: ["define", "unlink"],
    });
  });
});
