import { describe, test } from "vitest";
import { rebuildInstance } from "../../../../src/core/instances/rebuild.ts";
import { adoptInstance } from "../../../../src/core/instances/release.ts";
import { unrevertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import type { FakeFile } from "../../../fake/host-machine.ts";
import { endEverywhere } from "../crashes.ts";
import { ENDINGS } from "../ends.ts";
import { type Bed, command, start, stateOf, UUID, virsh, withGuest, write } from "../world.ts";
import { keep, made, OF_OTHER, rebuild, WRITTEN } from "./rebuilding.ts";
import { addImage } from "./world.ts";

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

/** web1, which was there before, is recorded; its definition calls its disk by another name since. */
async function byAnotherName(running: boolean): Promise<Bed> {
  const on = withGuest({ running: false });
  const { host, store } = command(on);
  await store.update((draft) => addImage(draft, "debian13", ["vda"]));
  const { file = "" } = Object.values((await stateOf(on)).layers)[0] ?? {};
  host.addFile(file, { mode: 0o400, content: OF_OTHER.vda });
  await adoptInstance(command(on), "web1");
  const [path, link] = ["/disks/web1-vda.qcow2", "/link/web1.qcow2"];
  on.machine.files.set(link, on.machine.files.get(path) as FakeFile);
  await virsh(on, { do: "redefine", domain: UUID, disks: [{ device: "vda", path: link, format: "qcow2" }] });
  if (running) {
    await start(on);
    write(on, 2, "second");
  }
  return on;
}

describe.each(ENDINGS)("instance rebuild of a disk that has two names, %s", { timeout: 600_000 }, (_, ending) => {
  test.each([true, false])("leaves what was, or the image with the rest kept (running: %s)", async (running) => {
    await endEverywhere(ending, {
      prepare: () => byAnotherName(running),
      run: (world) => rebuildInstance(world, "web1", goal),
      forward: OF_OTHER,
      keeps: true,
      meanwhile: ["nothing", "stops", "restarts"],
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
