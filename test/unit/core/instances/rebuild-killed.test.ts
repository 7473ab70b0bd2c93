import { describe, test } from "vitest";
import { rebuildInstance } from "../../../../src/core/instances/rebuild.ts";
import { unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { endEverywhere } from "../crashes.ts";
import { ENDINGS } from "../ends.ts";
import { UUID, virsh, write } from "../world.ts";
import { keep, made, OF_OTHER, rebuild, WRITTEN } from "./rebuilding.ts";

const goal = { ...keep, image: "debian13" };

describe.each(ENDINGS)("instance rebuild, %s", { timeout: 600_000 }, (_, ending) => {
  test.each([true, false])("leaves what was, or the image with the rest kept (running: %s)", async (running) => {
    await endEverywhere(ending, {
      prepare: () => made(running),
      run: (world) => rebuildInstance(world, "web1", goal),
      forward: OF_OTHER,
      keeps: true,
    });
  });

  test("brings a paused guest no further than that", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = await made();
        await virsh(on, { do: "suspend", domain: UUID });
        return on;
      },
      run: (world) => rebuildInstance(world, "web1", goal),
      forward: OF_OTHER,
      keeps: true,
      meanwhile: ["nothing", "restarts"],
    });
  });
});

describe.each(ENDINGS)("snapshot unrevert of a rebuild, %s", { timeout: 600_000 }, (_, ending) => {
  test("leaves the rebuilt disks, or those before", async () => {
    await endEverywhere(ending, {
      prepare: async () => {
        const on = await made();
        await rebuild(on, goal);
        write(on, 7, "on the rebuilt disk");
        return on;
      },
      run: (world) => unrevertSnapshot(world, "web1", { discard: false, keepMs: keep.keepMs }),
      forward: WRITTEN,
      keeps: true,
    });
  });
});
