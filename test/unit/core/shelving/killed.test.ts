/** Killed at any instant, an instance is shelved or it is not, and everything that it held is there. */
import { describe, expect, test } from "vitest";
import { repair } from "../../../../src/core/doctor/doctor.ts";
import type { World } from "../../../../src/core/ports.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { unshelveInstance } from "../../../../src/core/shelving/unshelve.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { ENDINGS, type Ending, everyEnd } from "../ends.ts";
import { type Bed, command, virsh } from "../world.ts";
import {
  archived,
  domainState,
  held,
  idOf,
  nextCommand,
  packed,
  plain,
  putAway,
  recordOf,
  requireSound,
  shelved,
  withArchive,
  withInstance,
} from "./world.ts";

type Work = (world: World) => Promise<unknown>;

const shelve: Work = (world) => shelveInstance(world, "web1", plain);
const pack: Work = (world) => shelveInstance(world, "web1", packed);
const putAside: Work = (world) => shelveInstance(world, "web1", putAway);
const unshelve: Work = (world) => unshelveInstance(world, "web1");

/** What may happen between the death of a command and the next one. */
const MEANWHILE = ["nothing", "somebody starts it", "it goes off"] as const;

async function happen(on: Bed, what: (typeof MEANWHILE)[number]): Promise<void> {
  const domain = await idOf(on);
  if (!on.machine.domains.has(domain)) return;
  if (what === "it goes off") await virsh(on, { do: "destroy", domain });
  // A frozen layer keeps it off.
  if (what === "somebody starts it") await virsh(on, { do: "start", domain, paused: false }).catch(() => undefined);
}

/** Ends it badly everywhere, and hands what is left, sound, to `look`. */
async function endEverywhere(
  ending: Ending,
  prepared: Bed,
  work: Work,
  look: (on: Bed, where: string, wasUntouched: boolean) => Promise<void>,
): Promise<void> {
  const { ends } = await everyEnd(ending, { prepare: async () => prepared, run: work });
  for (const [index, { point, isStep, strike }] of ends.entries()) {
    // Events of steps lie just beside writes and actions.
    for (const meanwhile of isStep ? (["nothing"] as const) : MEANWHILE) {
      const on = await strike();
      await happen(on, meanwhile);
      const where = `${point}; then ${meanwhile}`;
      const world = index % 2 === 0 ? await nextCommand(on) : command(on);
      if (index % 2 === 1) await repair(world);
      await requireSound(on, where, world.notes);
      await look(on, where, ending === "killed" && meanwhile === "nothing");
    }
  }
}

/** Whatever it is now, it can be brought to run, and to hold what it held. */
async function requireAlive(on: Bed, where: string): Promise<void> {
  if ((await recordOf(on)).shelved !== null) await unshelveInstance(command(on), "web1");
  const id = await idOf(on);
  if ((await domainState(on)) === "paused") await virsh(on, { do: "resume", domain: id });
  await virsh(on, { do: "start", domain: id, paused: false });
  expect(await domainState(on), where).toBe("running");
  expect(command(on).host.guestRead(id, "vda"), where).toEqual(await held(on));
  expect(on.machine.domains.get(id)?.autostart, where).toBe(true);
  await requireSound(on, where);
  command(on).host.guestWrite(id, "vda", 9, "alive");
  await revertSnapshot(command(on), "web1/s1", { discard: false, keepMs: 60_000 });
  expect((await held(on))[2], where).toBeUndefined();
}

describe.each(ENDINGS)("shelve, %s", { timeout: 600_000 }, (_, ending) => {
  test.each([
    ["running", {}, "running"],
    ["paused", { paused: true }, "paused"],
    ["off", { running: false }, "shutoff"],
    ["with UEFI", { uefi: true }, "running"],
  ] as const)("%s: it is shelved, or as it was", async (_, wish, was) => {
    await endEverywhere(ending, await withInstance(wish), shelve, async (on, where, untouched) => {
      if (untouched) expect(["none", was], where).toContain(await domainState(on));
      await requireAlive(on, where);
    });
  });

  test("with --offload: it is shelved, packed or not, or as it was", async () => {
    await endEverywhere(ending, await withInstance(), pack, requireAlive);
  });

  test("with --offload --target: the same, and nothing is left over in that folder", async () => {
    await endEverywhere(ending, withArchive(await withInstance()), putAside, async (on, where) => {
      await requireAlive(on, where);
      expect(archived(on), where).toEqual([]);
    });
  });
});

describe.each(ENDINGS)("unshelve, %s", { timeout: 600_000 }, (_, ending) => {
  test.each([
    ["that ran", {}],
    ["that was off", { running: false }],
    ["with UEFI", { uefi: true }],
  ] as const)("one %s is shelved, or there again", async (_, wish) => {
    await endEverywhere(ending, await shelved(wish), unshelve, requireAlive);
  });

  test("one whose disks were put away elsewhere is shelved, or there again", async () => {
    const on = withArchive(await withInstance());
    await putAside(command(on));
    await endEverywhere(ending, on, unshelve, requireAlive);
  });
});

test("what another tool has put on a disk meanwhile is not left behind when the domain goes", async () => {
  const on = await withInstance({ running: false });
  const domain = await idOf(on);
  const world = command(on);
  world.host.crashAtNext("undefine", "before");
  await expect(shelve(world)).rejects.toThrow("killed");
  on.disk.locks.clear();
  const { host } = command(on);
  const top = (await host.domainStatus(domain))?.inactive.disks[0]?.source ?? "";
  const path = "/other/o0.qcow2";
  const sizeBytes = (await host.imageInfo(top, { shared: true }))?.virtualSizeBytes ?? 0;
  await virsh(on, { do: "create-disk", path, backing: { path: top, format: "qcow2" }, sizeBytes });
  await virsh(on, { do: "redefine", domain, disks: [{ device: "vda", path, format: "qcow2" }] });
  const left = await repair(command(on));
  expect(left.map(({ problem }) => problem).join()).toContain(`its vda is ${path} by now`);
  expect(on.machine.domains.has(domain)).toBe(true);
  await virsh(on, { do: "undefine", domain, nvram: false });
  await repair(command(on));
  expect([...on.disk.journal.keys()]).toEqual([]);
  await unshelve(command(on));
});
