/** Nothing that anything names is removed as a file that nobody remembers. */
import { describe, expect, test } from "vitest";
import { repair } from "../../../src/core/doctor/doctor.ts";
import { filesInUse } from "../../../src/core/in-use.ts";
import { deleteInstance } from "../../../src/core/instances/delete.ts";
import { deleteSnapshot } from "../../../src/core/snapshots/delete.ts";
import { EstratoError } from "../../../src/errors.ts";
import { type Bed, command, stateOf, take, UUID, withGuest } from "./world.ts";

const LAYERS = "/fake/estrato/layers";
const OTHER = "99999999-2222-4333-8444-555555555555";

async function prepared(): Promise<Bed> {
  const on = withGuest({ running: true });
  await take(on, "s1");
  return on;
}

/** Files in our folder that the state does not know: a base, and on it an overlay. */
function strangers(on: Bed): { base: string; overlay: string } {
  const { host } = command(on);
  const [base, overlay] = [`${LAYERS}/base.qcow2`, `${LAYERS}/overlay.qcow2`];
  host.addFile(base);
  host.addFile(overlay, { backing: { path: base, format: "qcow2" } });
  return { base, overlay };
}

const removed = async (on: Bed, ...paths: string[]) => {
  await repair(command(on));
  return paths.filter((path) => !on.machine.files.has(path));
};

describe("doctor removes no file", () => {
  test("that a file in our folder stands on: what is empty goes first, and then what it stood on", async () => {
    const on = await prepared();
    const { base, overlay } = strangers(on);
    const gone: string[] = [];
    const { delete: remove } = Map.prototype;
    on.machine.files.delete = (path) => {
      if (path === base || path === overlay) gone.push(path);
      return remove.call(on.machine.files, path);
    };
    await repair(command(on));
    expect(gone).toEqual([overlay, base]);
  });

  test.each([true, false])("in the middle of another domain's chain (running: %s)", async (running) => {
    const on = await prepared();
    const { base } = strangers(on);
    const { host } = command(on);
    host.addFile("/disks/clone.qcow2", { backing: { path: `${LAYERS}/overlay.qcow2`, format: "qcow2" } });
    const disks = [{ device: "vda", path: "/disks/clone.qcow2", format: "qcow2" }];
    host.addDomain({ name: "clone", uuid: OTHER, disks, running, agent: false });
    expect(await removed(on, base, `${LAYERS}/overlay.qcow2`)).toEqual([]);
  });

  test("that a definition names outside its disks", async () => {
    const on = await prepared();
    const path = `${LAYERS}/rom.bin`;
    command(on).host.addFile(path, { format: "raw", content: { 0: "rom" } });
    const domain = on.machine.domains.get(UUID);
    if (domain)
      domain.inactive = domain.inactive.replace("</devices>", `<hostdev><rom file='${path}'/></hostdev></devices>`);
    expect(await removed(on, path)).toEqual([]);
  });

  test("that a kept copy of the state names", async () => {
    const on = await prepared();
    const path = `${LAYERS}/lay-0123456789abcdef0.qcow2`;
    command(on).host.addFile(path);
    const [copy = ""] = on.disk.copies;
    on.disk.copies.unshift(copy.replace(/lay-[0-9a-f]{17}/, "lay-0123456789abcdef0"));
    expect(await removed(on, path)).toEqual([]);
    on.disk.copies.shift();
    expect(await removed(on, path)).toEqual([path]);
  });

  test("where a header cannot be read, which may name it", async () => {
    const on = await prepared();
    const { base } = strangers(on);
    const world = command(on);
    const { imageChain } = world.host;
    world.host.imageChain = async (path, format) => {
      if (path === `${LAYERS}/overlay.qcow2`) throw new EstratoError("host", "it cannot be read");
      return imageChain(path, format);
    };
    const inUse = await filesInUse(world, await stateOf(on));
    expect(await inUse.users(base)).toMatchObject([{ by: "header", id: `${LAYERS}/overlay.qcow2` }]);
    expect(await inUse.isNamed(`${LAYERS}/overlay.qcow2`)).toBe(false);
  });

  test("of a record before a yes that names it", async () => {
    const on = await prepared();
    await command(on).store.writeRecord("snap-gone.xml", "<domain/>");
    const no = command(on, { answer: false });
    expect(await repair(no)).toMatchObject([{ result: "left" }]);
    expect(no.asked).toMatchObject([{ loses: [expect.stringContaining("/records/snap-gone.xml")] }]);
    expect(on.disk.records.has("snap-gone.xml")).toBe(true);
  });
});

describe("collecting frees and merges no layer", () => {
  const HOME = "/home/bob/.local/share/estrato";
  /** Two snapshots, and the layer of the first, whose deletion would merge it. */
  const withTwo = async () => {
    const on = await prepared();
    await take(on, "s2");
    const state = await stateOf(on);
    const layer = Object.values(state.snapshots).find(({ name }) => name === "s2")?.disks[0]?.layer ?? "";
    return { on, layer: state.layers[layer]?.file ?? "" };
  };
  const deleted = async (on: Bed, file: string) => {
    await deleteSnapshot(command(on), "web1/s2", { children: false });
    return on.machine.files.has(file);
  };

  test("except where nobody else names it", async () => {
    const { on, layer } = await withTwo();
    expect(await deleted(on, layer)).toBe(false);
  });

  test("on which a file of our folder stands that the state does not know", async () => {
    const { on, layer } = await withTwo();
    command(on).host.addFile(`${LAYERS}/lay-0123456789abcdef0.qcow2`, { backing: { path: layer, format: "qcow2" } });
    expect(await deleted(on, layer)).toBe(true);
  });

  test("on which a layer of another store stands, under whatever name", async () => {
    const { on, layer } = await withTwo();
    const { host } = command(on);
    on.machine.users = [{ name: "bob", uid: 1000, home: "/home/bob" }];
    host.addFile("/links/base.qcow2", { backing: { path: layer, format: "qcow2" } });
    host.addFile(`${HOME}/layers/lay-0123456789abcdef0.qcow2`, {
      backing: { path: "/links/base.qcow2", format: "qcow2" },
    });
    expect(await deleted(on, layer)).toBe(true);
  });

  test("while something that may stand on it cannot be read, but for a file that was only begun", async () => {
    const { on, layer } = await withTwo();
    const world = command(on);
    world.host.addFile(`${LAYERS}/broken.qcow2`);
    const { imageChain } = world.host;
    const broken = new EstratoError("host", "it cannot be read");
    world.host.imageChain = async (path, format) => {
      if (path === `${LAYERS}/broken.qcow2`) throw broken;
      return imageChain(path, format);
    };
    await deleteSnapshot(world, "web1/s2", { children: false });
    expect(on.machine.files.has(layer)).toBe(true);
  });
});

test("who stands on what is asked without a process for each file", async () => {
  const on = await prepared();
  strangers(on);
  const world = command(on);
  let processes = 0;
  world.host.imageInfo = async () => {
    processes += 1;
    return null;
  };
  const inUse = await filesInUse(world, await stateOf(on));
  expect(await inUse.users(`${LAYERS}/base.qcow2`)).toMatchObject([{ by: "header" }]);
  expect(await inUse.outsiders(`${LAYERS}/base.qcow2`)).toMatchObject([{ by: "header" }]);
  expect(processes).toBe(0);
});

test("a seed that another domain reads stays when its instance is deleted", async () => {
  const on = await prepared();
  const seed = command(on).store.paths.seed(UUID);
  const world = command(on);
  world.host.addFile(seed, { format: "raw", text: "seed" });
  await world.store.update((draft) => {
    const web1 = draft.instances[UUID];
    if (web1) web1.seed = seed;
  });
  world.host.addDomain({ name: "clone", uuid: OTHER, disks: [{ device: "vda", path: seed, format: "raw" }] });
  const deleting = command(on);
  await deleteInstance(deleting, "web1", { keepVolumes: false });
  expect(on.machine.files.has(seed)).toBe(true);
  expect(deleting.notes).toContainEqual(expect.stringContaining("instance clone needs it"));
  expect(await repair(command(on))).toEqual([]);
  expect(on.machine.files.has(seed)).toBe(true);
});
