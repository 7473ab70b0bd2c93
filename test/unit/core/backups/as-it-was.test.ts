/** The guest of a lost host comes back as itself, on a machine that has nothing but the target. */
import { describe, expect, test } from "vitest";
import { returning } from "../../../../src/core/backups/as-it-was.ts";
import { restoreInstant } from "../../../../src/core/backups/instant.ts";
import { type Manifest, manifestText, readManifest } from "../../../../src/core/backups/manifest.ts";
import { restoreInstance } from "../../../../src/core/backups/restore-to.ts";
import { openTarget } from "../../../../src/core/backups/targets/open.ts";
import { examine } from "../../../../src/core/doctor/doctor.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { deleteInstance } from "../../../../src/core/instances/delete.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import { withLocks } from "../../../../src/core/operations/with-locks.ts";
import { createVolume } from "../../../../src/core/volumes/create.ts";
import { fakeIds } from "../../../fake/clock.ts";
import { ENDINGS, everyEnd } from "../ends.ts";
import { creation, newEstate } from "../instances/world.ts";
import {
  type Bed,
  backupsOf,
  bed,
  command,
  contentsOf,
  type Process,
  stateOf,
  TARGET,
  UUID,
  virsh,
  withTpm,
  write,
} from "../world.ts";
import { night, withTarget } from "./world.ts";

const MAC = "52:54:00:aa:bb:cc";
const IP = "192.168.122.77";
const TWO = [{ content: { 0: "boot" } }, { content: { 0: "data" }, format: "raw" }] as const;

/** web1 of two disks, with a TPM, an address that is reserved for it, autostart and a property; and two backups. */
async function lived(): Promise<Bed> {
  const on = withTpm(await withTarget({ disks: TWO }), "sealed");
  on.machine.networks.get("default")?.reservations.push({ mac: MAC, ip: IP, name: "web1" });
  await setInstance(command(on), "web1", {
    name: null,
    properties: { role: "shop" },
    dropProperties: [],
    autostart: true,
  });
  await night(on);
  write(on, 2, "later", "vdb");
  await night(on);
  return on;
}

/** What another machine has of it: the target. */
function elsewhere({ machine, clock }: Bed): Bed {
  const on = { ...bed(), clock, ids: fakeIds("e") };
  for (const [path, file] of machine.files)
    if (path.startsWith(TARGET)) on.machine.files.set(path, structuredClone(file));
  for (const path of machine.folders) if (path.startsWith(TARGET)) on.machine.folders.add(path);
  return on;
}

const newest = (on: Bed) => backupsOf(on).at(-1) ?? "";

async function restore(world: Process, on: Bed, disks: readonly string[] = []) {
  const asked = { targets: [TARGET], backup: newest(on), disks, passphraseFile: null };
  const { from, options } = await returning(world, asked, true);
  return restoreInstance(world, from, options);
}

describe("an instance that comes back on another machine", () => {
  test("has its id, MAC, address, TPM state, autostart, properties, volumes and content", async () => {
    const old = await lived();
    const was = await stateOf(old);
    const on = elsewhere(old);
    const world = command(on);
    expect(await restore(world, on)).toMatchObject({ id: UUID, name: "web1" });
    expect(world.notes).toEqual([expect.stringContaining("software emulation")]);
    const state = await stateOf(on);
    const before = was.instances[UUID];
    expect(state.instances[UUID]).toMatchObject({
      createdAt: before?.createdAt,
      properties: { role: "shop" },
      addresses: [{ network: "default", mac: MAC, ip: IP }],
      seed: null,
    });
    const known = ({ id, device, name, createdAt }: (typeof was.volumes)[string]) => ({ id, device, name, createdAt });
    expect(Object.values(state.volumes).map(known)).toEqual(Object.values(was.volumes).map(known));
    const domain = on.machine.domains.get(UUID);
    expect(domain).toMatchObject({ autostart: true, state: "running" });
    const defined = world.host.parseDefinition(domain?.inactive ?? "");
    expect(defined.interfaces).toMatchObject([{ mac: MAC, network: "default" }]);
    expect(defined.disks.map(({ device }) => device)).toEqual(["vda", "vdb"]);
    expect(on.machine.files.get(defined.tpm ?? "")?.text).toBe("sealed");
    expect(on.machine.networks.get("default")?.reservations).toEqual([{ mac: MAC, ip: IP, name: "web1" }]);
    const content = await contentsOf(on, newest(on));
    for (const device of ["vda", "vdb"]) expect(world.host.guestRead(UUID, device)).toEqual(content[device]);
    expect(await examine(command(on))).toEqual([]);
  });

  test("is backed up on in the same series, and is found by its name", async () => {
    const on = elsewhere(await lived());
    await restore(command(on), on);
    await night(on, {}, 2);
    const { manifest } = (await manifestOf(on, newest(on))) ?? {};
    expect([manifest?.instance.id, manifest?.disks.map(({ volume }) => volume)]).toEqual([
      UUID,
      Object.values((await stateOf(on)).volumes).map(({ id }) => id),
    ]);
    expect(backupsOf(on)).toHaveLength(2);
  });

  test("comes back with some of its disks", async () => {
    const on = elsewhere(await lived());
    await restore(command(on), on, ["vda"]);
    expect(Object.values((await stateOf(on)).volumes).map(({ device }) => device)).toEqual(["vda"]);
    const defined = command(on).host.parseDefinition(on.machine.domains.get(UUID)?.inactive ?? "");
    expect(defined.disks.map(({ device }) => device)).toEqual(["vda"]);
  });

  test("boots at once from the backup, and the same again goes on with the pulling", async () => {
    const on = elsewhere(await lived());
    const again = async (wait: boolean) => {
      const world = command(on);
      const asked = { targets: [TARGET], backup: newest(on), disks: [], passphraseFile: null };
      const { from, options } = await returning(world, asked, true);
      return restoreInstant(world, from, options, { wait });
    };
    expect(await again(false)).toMatchObject({ id: UUID });
    const volumes = Object.keys((await stateOf(on)).volumes);
    expect(await again(true)).toMatchObject({ id: UUID });
    const state = await stateOf(on);
    expect(Object.keys(state.volumes)).toEqual(volumes);
    expect(Object.values(state.layers).every(({ parent, borrowed }) => parent === null && borrowed === undefined)).toBe(
      true,
    );
    expect(on.machine.domains.get(UUID)?.autostart).toBe(true);
  });

  test("of a backup without what is kept for this comes back with what there is, and a note says so", async () => {
    const on = elsewhere(await lived());
    const found = await manifestOf(on, newest(on));
    const { identity: _, ...older } = found.manifest;
    await command(on).host.perform({ do: "write-file", path: found.path, text: manifestText(older) });
    const world = command(on);
    await restore(world, on);
    expect(world.notes.join()).toContain("taken by an older estrato");
    const state = await stateOf(on);
    expect(state.instances[UUID]).toMatchObject({ name: "web1", addresses: [], properties: {} });
    expect(Object.keys(state.volumes)).toEqual(older.disks.map(({ volume }) => volume));
    expect(on.machine.domains.get(UUID)?.inactive).toContain(MAC);
  });

  test("takes its own reservation for its own, and leaves it where it cannot come back", async () => {
    const on = elsewhere(await lived());
    const books = on.machine.networks.get("default")?.reservations;
    books?.push({ mac: MAC, ip: IP, name: "mine" });
    const world = command(on);
    world.host.perform = failing(world, "define");
    await expect(restore(world, on)).rejects.toThrow("no define");
    expect(books).toEqual([{ mac: MAC, ip: IP, name: "mine" }]);
    await restore(command(on), on);
    expect(on.machine.networks.get("default")?.reservations).toEqual([{ mac: MAC, ip: IP, name: "mine" }]);
  });
});

function failing(world: Process, what: string): Process["host"]["perform"] {
  const { perform } = world.host;
  return async (action, options) => {
    if (action.do === what) throw new Error(`no ${what}`);
    await perform(action, options);
  };
}

async function manifestOf(on: Bed, id: string): Promise<{ readonly manifest: Manifest; readonly path: string }> {
  const stored = openTarget(command(on), TARGET).backup(id);
  const manifest = await readManifest(stored);
  if (manifest === null) throw new Error(`${id}: no manifest`);
  return { manifest, path: stored.nameOf("manifest.json") };
}

/** All of a machine but what a look may leave: the counter of ids. */
const everything = ({ machine, disk }: Bed) =>
  JSON.stringify([
    [...machine.files.keys()].sort(),
    [...machine.domains.keys()],
    machine.networks.get("default"),
    disk.state,
  ]);

const here = async (on: Bed, name: string, uuid: string, mac: string) => {
  const { host } = command(on);
  host.addFile(`/disks/${name}.qcow2`, { format: "qcow2" });
  host.addDomain({
    name,
    uuid,
    disks: [{ device: "vda", path: `/disks/${name}.qcow2`, format: "qcow2" }],
    running: false,
  });
  const domain = on.machine.domains.get(uuid);
  if (domain !== undefined) domain.inactive = domain.inactive.replaceAll(MAC, mac);
};
const OTHER = "99999999-2222-4333-8444-555555555555";
const FREE = "52:54:00:00:00:99";

const refused: readonly (readonly [string, (on: Bed) => unknown, string, string])[] = [
  ["its id is a domain's here", (on) => here(on, "other", UUID, FREE), "conflict", "it lives here: other has its id"],
  ["its name is taken", (on) => here(on, "web1", OTHER, FREE), "conflict", "the name is taken"],
  ["a domain has its MAC", (on) => here(on, "other", OTHER, MAC), "conflict", `other has its MAC ${MAC}`],
  [
    "its address is reserved for another",
    (on) => on.machine.networks.get("default")?.reservations.push({ mac: FREE, ip: IP, name: "shop" }),
    "conflict",
    `${IP} is reserved for ${FREE} (shop)`,
  ],
  [
    "its MAC has another address reserved",
    (on) => on.machine.networks.get("default")?.reservations.push({ mac: MAC, ip: "192.168.122.9", name: null }),
    "conflict",
    `192.168.122.9 is reserved for ${MAC}`,
  ],
  [
    "its address is leased to another",
    (on) => on.machine.networks.get("default")?.leases.push({ mac: FREE, ip: IP }),
    "conflict",
    `address ${IP}: it is leased to ${FREE}`,
  ],
  ["its network is not here", (on) => on.machine.networks.delete("default"), "host", "its network default is not here"],
  [
    "its network is off",
    (on) => Object.assign(on.machine.networks.get("default") ?? {}, { active: false }),
    "host",
    "its network default is not active",
  ],
  [
    "its network is another one here",
    (on) =>
      Object.assign(on.machine.networks.get("default") ?? {}, {
        dhcp: { start: "10.0.0.2", end: "10.0.0.9", gateway: "10.0.0.1", prefix: 24 },
      }),
    "host",
    "outside network default",
  ],
  [
    "QEMU does not know its machine",
    (on) => Object.assign(on.machine, { capabilities: { ...on.machine.capabilities, machines: ["pc"] } }),
    "host",
    "QEMU does not know its machine pc-q35-7.2",
  ],
  [
    "a TPM state of its id is here",
    (on) => command(on).host.addFile(`/var/lib/libvirt/swtpm/${UUID}/tpm2/tpm2-00.permall`, { format: "raw" }),
    "conflict",
    "which would be its own",
  ],
  [
    "its definition was changed",
    (on) => Object.assign(on.machine.files.get(`${TARGET}/${newest(on)}/definition.xml`) ?? {}, { text: "<domain/>" }),
    "integrity",
    "it is not what was written",
  ],
];

describe("an instance does not come back as itself, and nothing changes", () => {
  test.each(refused)("where %s", async (_, prepare, code, says) => {
    const on = elsewhere(await lived());
    await prepare(on);
    const before = everything(on);
    await expect(restore(command(on), on)).rejects.toMatchObject({ code, message: expect.stringContaining(says) });
    expect(everything(on)).toBe(before);
  });

  test("where it lives, though libvirt has lost it", async () => {
    const on = await lived();
    on.machine.domains.delete(UUID);
    const before = everything(on);
    await expect(restore(command(on), on)).rejects.toMatchObject({ code: "conflict" });
    expect(everything(on)).toBe(before);
  });

  test("where a volume of it stayed here, or another has its name", async () => {
    const on = elsewhere(await lived());
    const empty = { name: "other", source: null, sizeBytes: 65536 };
    await createVolume(command(on), empty);
    const { manifest } = await manifestOf(on, newest(on));
    const taken = manifest.disks[1]?.volume ?? "";
    await command(on).store.update((draft) => {
      const [volume] = Object.values(draft.volumes);
      if (volume === undefined) return;
      draft.volumes = { [taken]: { ...volume, id: taken } };
    });
    await expect(restore(command(on), on)).rejects.toMatchObject({
      code: "conflict",
      message: expect.stringContaining("vdb is volume other"),
    });
    await restore(command(on), on, ["vda"]);
  });
});

describe.each(ENDINGS)("an instance that comes back as itself, %s", { timeout: 600_000 }, (_, ending) => {
  test("is there whole, or nothing of it is, and the same command brings it back", async () => {
    const prepare = async () => elsewhere(await lived());
    const does = ["convert", "reserve-address", "place-tpm", "define", "autostart", "start"] as const;
    const run = async (world: Process) => {
      const backup = [...world.host.machine.files.keys()].flatMap(
        (path) => /(bak-\w{17})\/manifest/.exec(path)?.[1] ?? [],
      );
      const asked = { targets: [TARGET], backup: backup.sort().at(-1) ?? "", disks: [], passphraseFile: null };
      const { from, options } = await returning(world, asked, true);
      return restoreInstance(world, from, options);
    };
    for (const { point, strike } of (await everyEnd(ending, { prepare, run, does })).ends) {
      const on = await strike();
      const next = command(on);
      await withLocks(next, ["another"], async () => {});
      expect(await examine(command(on)), `${point}\n${next.notes.join("\n")}`).toEqual([]);
      if ((await stateOf(on)).instances[UUID] === undefined) {
        expect(on.machine.networks.get("default")?.reservations, point).toEqual([]);
        expect(
          [...on.machine.files.keys()].filter((path) => path.includes("/swtpm/")),
          point,
        ).toEqual([]);
        expect(Object.keys((await stateOf(on)).volumes), point).toEqual([]);
        await run(command(on));
      }
      const world = command(on);
      if (on.machine.domains.get(UUID)?.live == null) await virsh(on, { do: "start", domain: UUID, paused: false });
      expect(on.machine.domains.get(UUID)?.autostart, point).toBe(true);
      expect(on.machine.networks.get("default")?.reservations, point).toEqual([{ mac: MAC, ip: IP, name: "web1" }]);
      const content = await contentsOf(on, newest(on));
      for (const device of ["vda", "vdb"]) expect(world.host.guestRead(UUID, device), point).toEqual(content[device]);
      expect(Object.keys((await stateOf(on)).volumes), point).toHaveLength(2);
    }
  });
});

test("one that was deleted here comes back as itself on the same machine", async () => {
  const on = await lived();
  await deleteInstance(command(on), "web1", { keepVolumes: false });
  on.machine.files.delete(`/var/lib/libvirt/swtpm/${UUID}/tpm2/tpm2-00.permall`);
  await restore(command(on), on);
  expect(on.machine.domains.get(UUID)?.state).toBe("running");
});

describe("what it was told at its first boot", () => {
  const made = async (passphraseFile: string | null) => {
    const on = newEstate();
    await virsh(on, { do: "make-folder", path: TARGET });
    command(on).host.addFile("/key", { format: "raw", text: "sesame\n" });
    await createInstance(command(on), creation({ userData: "#cloud-config\npackages: [nginx]\n" }));
    await night(on, { passphraseFile });
    const other = elsewhere(on);
    command(other).host.addFile("/key", { format: "raw", text: "sesame\n" });
    const world = command(other);
    const asked = { targets: [TARGET], backup: newest(other), disks: [], passphraseFile };
    const { from, options } = await returning(world, asked, false);
    const { id } = (await restoreInstance(world, from, options)) as { id: string };
    const path = world.store.paths.seed(id);
    expect((await stateOf(other)).instances[id]).toMatchObject({ seed: path, keyName: "mykey" });
    const text = (bed: Bed) => bed.machine.files.get(path)?.text;
    return { before: text(on), after: text(other), notes: world.notes.join() };
  };

  test("comes back with it, user data and all", async () => {
    const { before, after, notes } = await made(null);
    expect(before).toContain("nginx");
    expect(after).toBe(before);
    expect(notes).not.toContain("user data");
  });

  test("is not in an encrypted backup: its seed is made anew, with its id, name and key, and a note says so", async () => {
    const { after, notes } = await made("/key");
    expect(after).not.toContain("nginx");
    expect(after).toContain("ssh-ed25519 AAAA me@here");
    expect(notes).toContain("does not hold the user data of web1");
  });
});
