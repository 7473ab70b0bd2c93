/** Disks that a definition names by a storage pool and a volume: they are the files that these are. */
import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { adoptInstance, releaseInstance } from "../../../../src/core/instances/release.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { command, type Estate, newEstate, stateOf } from "./world.ts";

const FILE = "/pool/legacy.qcow2";

async function legacy(type: string, running: boolean): Promise<Estate> {
  const estate = newEstate();
  const { host } = command(estate);
  host.addFile(FILE, { format: "qcow2", mode: 0o640, uid: 7, gid: 8, content: { 0: "old" } });
  host.addDomain({ name: "legacy", running: false, disks: [{ device: "vda", path: FILE, format: "qcow2" }] });
  const [domain] = estate.machine.domains.values();
  if (domain === undefined) throw new Error("no domain");
  domain.inactive = domain.inactive
    .replace("<disk type='file'", "<disk type='volume'")
    .replace(`file='${FILE}'`, "pool='guests' volume='legacy.qcow2'");
  estate.machine.pools.set("guests", { type, volumes: { "legacy.qcow2": FILE } });
  if (running) await startInstance(command(estate), "legacy");
  return estate;
}

const diskOf = (estate: Estate) =>
  command(estate).host.parseDefinition([...estate.machine.domains.values()][0]?.inactive ?? "").disks[0];

const ASKED = { quiesce: "off", excludeDisks: [], description: null, properties: {}, expiresAt: null } as const;

describe("a disk that is the volume of a pool", () => {
  test.each([true, false])(
    "is adopted as its file, has snapshots, and is given back so (running: %s)",
    async (running) => {
      const estate = await legacy("dir", running);
      await createSnapshot(command(estate), { ...ASKED, instance: "legacy", name: "s1", protect: false });
      expect(Object.values((await stateOf(estate)).layers)).toContainEqual(
        expect.objectContaining({ file: FILE, frozen: true, foreign: expect.objectContaining({ mode: 0o640 }) }),
      );
      expect(await examine(command(estate))).toEqual([]);
      if (running) await stopInstance(command(estate), "legacy", { force: true, timeoutMs: 0, wait: true });
      await deleteSnapshot(command(estate), "legacy/s1", { children: false });
      await releaseInstance(command(estate), "legacy");
      expect(diskOf(estate)).toMatchObject({ type: "volume", pool: { name: "guests", volume: "legacy.qcow2" } });
      expect(command(estate).host.read(FILE)).toEqual({ 0: "old" });
      await startInstance(command(estate), "legacy");
    },
  );

  test("is left as it is named where nothing has been changed", async () => {
    const estate = await legacy("logical", false);
    await adoptInstance(command(estate), "legacy");
    expect(await examine(command(estate))).toEqual([]);
    await releaseInstance(command(estate), "legacy");
    expect(diskOf(estate)).toMatchObject({ type: "volume" });
  });

  test.each([
    ["of a pool whose volumes are no files here", "the pool has the type rbd", (estate: Estate) => estate],
    ["of a pool that does not say", "libvirt does not say where that is", without],
  ])("is refused %s", async (_, why, change) => {
    const estate = change(await legacy("rbd", false));
    await expect(adoptInstance(command(estate), "legacy")).rejects.toMatchObject({
      code: "host",
      message: `instance legacy: disk vda is the volume legacy.qcow2 of the pool guests, and no file here: ${why}`,
    });
    expect((await stateOf(estate)).instances).toEqual({});
  });

  function without(estate: Estate): Estate {
    estate.machine.pools.clear();
    return estate;
  }
});
