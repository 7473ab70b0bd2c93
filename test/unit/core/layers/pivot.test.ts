import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import type { CrashPhase } from "../../../fake/host.ts";
import { requireSound } from "../crashes.ts";
import { endsOf } from "../ends.ts";
import {
  type Bed,
  command,
  creation,
  disksOf,
  everything,
  start,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  write,
} from "../world.ts";

/** A snapshot on the user's own raw file, so that its deletion moves the running guest's head back into that file. */
async function aboutToPivot(): Promise<Bed> {
  const on = withGuest({ disks: [{ content: { 0: "boot", 1: "root" }, format: "raw" }] });
  await take(on, "s1");
  write(on, 2, "head");
  return on;
}

const MOVED = { vda: { 0: "boot", 1: "root", 2: "head" } };

/** Deletes s1 and dies at the pivot. "midway": QEMU is switched, and libvirtd is dead too. */
async function killedAtPivot(phase: CrashPhase): Promise<Bed> {
  const on = await aboutToPivot();
  const whole = command(on);
  const perform = whole.host.perform;
  whole.host.perform = async (action, options) => {
    if (action.do === "block-commit-active" && action.part === "pivot") whole.host.crashAtNext(action.do, phase);
    await perform(action, options);
  };
  await deleteSnapshot(whole, "web1/s1", { children: false }).catch(() => undefined);
  on.disk.locks.clear();
  return on;
}

const state = (on: Bed) => on.machine.domains.get(UUID)?.state;

describe("moving a running guest back into the file that was there before us", () => {
  test("suspends it for the switch only", async () => {
    const on = await aboutToPivot();
    const world = command(on);
    await deleteSnapshot(world, "web1/s1", { children: false });
    const kinds = world.host.performed.map((action) => ("part" in action ? action.part : action.do));
    expect(kinds.join(" ")).toContain("ready suspend set-mode pivot");
    expect(kinds).toContain("resume");
    expect(state(on)).toBe("running");
    expect(await disksOf(on)).toEqual(MOVED);
  });

  test("leaves one that is paused paused", async () => {
    const on = await aboutToPivot();
    await virsh(on, { do: "suspend", domain: UUID });
    await deleteSnapshot(command(on), "web1/s1", { children: false });
    expect(state(on)).toBe("paused");
    expect(await disksOf(on)).toEqual(MOVED);
    await requireSound(on, "paused");
  });

  test.each(["before", "midway", "after"] as const)("lets it go on after a death there (%s)", async (phase) => {
    const on = await killedAtPivot(phase);
    expect(state(on)).toBe("paused");
    await repair(command(on));
    expect(state(on)).toBe("running");
    write(on, 3, "goes on");
    expect(await disksOf(on)).toEqual({ vda: { ...MOVED.vda, 3: "goes on" } });
  });

  test.each(["before", "midway", "after"] as const)(
    "lets it go on where the repair dies as well (%s)",
    async (phase) => {
      const whole = command(await killedAtPivot(phase));
      await repair(whole);
      for (const { how, point } of endsOf("killed", whole)) {
        const on = await killedAtPivot(phase);
        await repair(command(on, how)).catch(() => undefined);
        on.disk.locks.clear();
        await repair(command(on));
        const where = point;
        expect(state(on), where).toBe("running");
        expect(await disksOf(on), where).toEqual(MOVED);
      }
    },
  );

  test.each(["before", "midway"] as const)(
    "keeps what it writes, and then stops, where the repair dies (%s)",
    async (phase) => {
      const whole = command(await killedAtPivot(phase));
      await repair(whole);
      let went = 0;
      for (const { how, point } of endsOf("killed", whole)) {
        const on = await killedAtPivot(phase);
        await repair(command(on, how)).catch(() => undefined);
        on.disk.locks.clear();
        const goesOn = state(on) === "running";
        if (goesOn) write(on, 4, "later");
        went += goesOn ? 1 : 0;
        await stop(on);
        await repair(command(on));
        const where = point;
        expect(await disksOf(on), where).toEqual({ vda: { ...MOVED.vda, ...(goesOn ? { 4: "later" } : {}) } });
        await requireSound(on, where);
      }
      expect(went).toBeGreaterThan(0);
    },
  );

  test("lets nobody start the old head after a death that libvirt has not noted", async () => {
    const on = await killedAtPivot("midway");
    await stop(on);
    await expect(start(on)).rejects.toThrow("Permission denied");
    await startInstance(command(on), "web1");
    expect(await disksOf(on)).toEqual(MOVED);
    await requireSound(on, "started");
  });
});

describe("a guest that somebody let go on before the switch was noted, and that is off now", () => {
  /** "midway": it wrote into the user's file; "before": into the old head. Nothing on the machine shows which. */
  async function letGoOn(phase: CrashPhase): Promise<Bed> {
    const on = await killedAtPivot(phase);
    await virsh(on, { do: "resume", domain: UUID });
    write(on, 2, "rewritten");
    write(on, 5, "after the death");
    await stop(on);
    return on;
  }

  test.each(["before", "midway"] as const)("is touched by no command (%s)", async (phase) => {
    const on = await letGoOn(phase);
    const before = everything(on);
    await expect(startInstance(command(on), "web1")).rejects.toMatchObject({ code: "integrity" });
    await expect(createSnapshot(command(on), creation("s2"))).rejects.toMatchObject({ code: "integrity" });
    await expect(start(on)).rejects.toThrow("Permission denied");
    expect(everything(on)).toBe(before);
  });

  test("is shown by doctor, who names what would be lost and changes nothing without a yes", async () => {
    const on = await letGoOn("midway");
    const before = everything(on);
    expect((await examine(command(on))).map(({ problem }) => problem)).toEqual([
      expect.stringContaining("a guest was being moved"),
    ]);
    const world = command(on, { answer: false });
    const said = await repair(world);
    expect(world.asked[0]?.loses).toEqual([expect.stringContaining("/disks/web1-vda.raw")]);
    expect(said.map(({ result }) => result)).toContain("left");
    expect(everything(on)).toBe(before);
  });

  test("goes on in the file that it was moved to, after a yes", async () => {
    const on = await letGoOn("midway");
    const said = await repair(command(on));
    expect(said.map(({ result }) => result)).toEqual(["mended"]);
    await startInstance(command(on), "web1");
    expect(await disksOf(on)).toEqual({ vda: { 0: "boot", 1: "root", 2: "rewritten", 5: "after the death" } });
    await requireSound(on, "chosen");
  });
});
