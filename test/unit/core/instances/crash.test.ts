/** Killed at any instant: the next command leaves the instance there whole, or nothing of it. */
import { describe, expect, test } from "vitest";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import { withLocks } from "../../../../src/core/operations/with-locks.ts";
import type { World } from "../../../../src/core/ports.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { ENDINGS, everyEnd } from "../ends.ts";
import type { Process } from "../process.ts";
import { command, creation, type Estate, newEstate, stateOf, wrongs } from "./world.ts";

/** Any verb does it: recovers what a dead command left, and collects. */
async function nextCommand(estate: Estate): Promise<Process> {
  const world = command(estate);
  await withLocks(world, ["another"], async () => {});
  return world;
}

const withSnapshot = async (): Promise<Estate> => {
  const estate = newEstate();
  await createInstance(command(estate), creation());
  command(estate).host.guestWrite("web1", "vda", 1, "written");
  await createSnapshot(command(estate), {
    instance: "web1",
    name: "s1",
    quiesce: "off",
    excludeDisks: [],
    description: null,
    properties: {},
    expiresAt: null,
    protect: false,
  });
  return estate;
};

const create = (world: World) => createInstance(world, creation());
const remove = (world: World) => deleteInstance(world, "web1", { keepVolumes: false });

test.each(ENDINGS)("instance create, %s, leaves an instance or nothing", { timeout: 600_000 }, async (_, ending) => {
  for (const { point, strike } of (await everyEnd(ending, { prepare: async () => newEstate(), run: create })).ends) {
    const estate = await strike();
    await nextCommand(estate);
    expect(await wrongs(estate), point).toEqual([]);
    const names = Object.values((await stateOf(estate)).instances).map((one) => one.name);
    expect(names.length).toBeLessThanOrEqual(1);
    // The name can be used, one way or the other.
    if (names.length === 0) await create(command(estate));
    await remove(command(estate));
    expect(await wrongs(estate), point).toEqual([]);
  }
});

describe("instance create from a snapshot with UEFI and a TPM", () => {
  const TPM = "<tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm></devices>";
  const withTpm = async (): Promise<Estate> => {
    const estate = await withSnapshot();
    const { host } = command(estate);
    await host.perform({ do: "destroy", domain: "web1" });
    const [domain] = estate.machine.domains.values();
    const nvram = "/srv/web1.fd";
    const uefi = (domain?.inactive ?? "").replace("<os>", `<os firmware='efi'><nvram>${nvram}</nvram>`);
    const xml = uefi.replace("</devices>", TPM);
    await host.perform({ do: "define", xml });
    host.addFile(nvram, { format: "raw", text: "boot order" });
    host.addFile(host.parseDefinition(xml).tpm ?? "", { format: "raw", text: "sealed" });
    const asked = { quiesce: "off", excludeDisks: [], description: null, properties: {}, expiresAt: null } as const;
    await createSnapshot(command(estate), { ...asked, instance: "web1", name: "s2", protect: false });
    return estate;
  };
  const clone = (world: World) =>
    createInstance(world, creation({ name: "web2", source: { kind: "snapshot", target: "web1/s2" } }));
  test.each(ENDINGS)("%s, leaves it whole, or nothing of it", { timeout: 600_000 }, async (_, ending) => {
    for (const { point, strike } of (await everyEnd(ending, { prepare: withTpm, run: clone })).ends) {
      const estate = await strike();
      const next = await nextCommand(estate);
      expect(await examine(next), point).toEqual([]);
      const made = Object.values((await stateOf(estate)).instances).find(({ name }) => name === "web2");
      const places = [...estate.machine.files].filter(([path]) => path.includes("/swtpm/"));
      expect(places.map(([, { text }]) => text)).toEqual(made === undefined ? ["sealed"] : ["sealed", "sealed"]);
      const nvrams = [...estate.machine.files.keys()].filter(
        (path) => path.endsWith(".fd") && path.includes("/layers/"),
      );
      expect(nvrams).toEqual(made === undefined ? [] : [`/fake/estrato/layers/${made.id}.fd`]);
    }
  });
});

test.each(ENDINGS)("instance delete, %s, goes on with the next command", { timeout: 600_000 }, async (_, ending) => {
  for (const { point, strike } of (await everyEnd(ending, { prepare: withSnapshot, run: remove })).ends) {
    const estate = await strike();
    await nextCommand(estate);
    expect(await wrongs(estate), point).toEqual([]);
    const state = await stateOf(estate);
    // Only what was killed before its journal was written has not happened.
    if (Object.keys(state.instances).length > 0) {
      expect(command(estate).host.guestRead("web1", "vda")).toEqual({ 0: "of lay-debian12-vda", 1: "written" });
    } else {
      expect(Object.keys(state.layers)).toEqual(["lay-debian12-vda"]);
      expect(estate.machine.domains.size).toBe(0);
    }
  }
});

describe("instance set --name", () => {
  const off = async () => {
    const estate = newEstate();
    await createInstance(command(estate), creation({ start: false }));
    return estate;
  };
  const rename = (world: World) =>
    setInstance(world, "web1", { name: "shop", properties: {}, dropProperties: [], autostart: null });
  test.each(ENDINGS)("%s, leaves one name in libvirt and in the record", { timeout: 600_000 }, async (_, ending) => {
    for (const { point, strike } of (await everyEnd(ending, { prepare: off, run: rename })).ends) {
      const estate = await strike();
      await nextCommand(estate);
      const [record] = Object.values((await stateOf(estate)).instances);
      const [domain] = await command(estate).host.listDomains();
      expect(record?.name, point).toBe(domain?.name);
      expect(await wrongs(estate), point).toEqual([]);
    }
  });
});

test("a creation that was killed after its domain was defined is kept as it is, and not started", async () => {
  const estate = newEstate();
  await create(command(estate, { crash: { at: "action", index: 3, phase: "after" } })).catch(() => undefined);
  const world = await nextCommand(estate);
  expect([...estate.machine.domains.values()].map((domain) => domain.state)).toEqual(["shutoff"]);
  expect(world.notes).toContain("web1: it was made but not started: estrato instance start web1");
});

test("a head that a guest has written to is never unlinked, though its creation did not end and its domain is gone", async () => {
  const estate = newEstate();
  const world = command(estate);
  world.host.crashAtNext("start", "after");
  await create(world).catch(() => undefined);
  command(estate).host.guestWrite("web1", "vda", 3, "precious");
  const head = Object.values((await stateOf(estate)).layers).find((layer) => !layer.frozen);
  const other = command(estate);
  await other.host.perform({ do: "destroy", domain: "web1" });
  await other.host.perform({ do: "undefine", domain: "web1", nvram: false });
  const next = await nextCommand(estate);
  expect(next.notes).toContainEqual(expect.stringContaining("holds what it wrote"));
  expect(next.host.read(head?.file ?? "")).toMatchObject({ 3: "precious" });
});
