import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { createInstance } from "../../../../src/core/instances/create.ts";
import type { Instance } from "../../../../src/core/model/state.ts";
import type { PlanView } from "../../../../src/core/operations/steps.ts";
import { EstratoError } from "../../../../src/errors.ts";
import {
  addImage,
  command,
  creation,
  type Estate,
  IMAGE_BYTES,
  kinds,
  newEstate,
  snapshotOf,
  stateOf,
  wrongs,
} from "./world.ts";

async function create(estate: Estate, change: Parameters<typeof creation>[0] = {}): Promise<Instance> {
  return (await createInstance(command(estate), creation(change))) as Instance;
}

describe("instance create", () => {
  test("makes a running domain on a new head over the image's layer", async () => {
    const estate = newEstate();
    const instance = await create(estate);
    const state = await stateOf(estate);
    const volume = Object.values(state.volumes)[0];
    expect(volume).toMatchObject({
      instance: instance.id,
      device: "vda",
      deleteWithInstance: true,
      sourceImage: "img-debian12",
    });
    expect(state.layers[volume?.head ?? ""]).toMatchObject({
      parent: "lay-debian12-vda",
      frozen: false,
      sizeBytes: IMAGE_BYTES,
    });
    expect(estate.machine.domains.get(instance.id)?.state).toBe("running");
    expect(command(estate).host.guestRead("web1", "vda")).toEqual({ 0: "of lay-debian12-vda" });
    expect(await wrongs(estate)).toEqual([]);
  });

  test("stores the pointer before it makes the file, and reserves the address before the domain starts", async () => {
    const estate = newEstate();
    const world = command(estate);
    await createInstance(world, creation());
    expect(world.store.writes.slice(0, 2)).toEqual([expect.stringMatching(/^journal.open/), "update"]);
    expect(kinds(world.host.performed)).toEqual(["reserve-address", "create-disk", "create-seed", "define", "start"]);
  });

  test("gives each instance an address of its own", async () => {
    const estate = newEstate();
    const first = await create(estate);
    const second = await create(estate, { name: "web2" });
    expect([first, second].map((one) => one.addresses[0]?.ip)).toEqual(["192.168.122.2", "192.168.122.3"]);
  });

  test("lets another one choose its address as soon as its own is recorded, however long its disks take", async () => {
    const estate = newEstate();
    const world = command(estate);
    const { perform } = world.host;
    let meanwhile: Instance | null = null;
    world.host.perform = async (action, options) => {
      if (action.do === "create-disk") meanwhile = await create(estate, { name: "web2" });
      await perform(action, options);
    };
    const first = (await createInstance(world, creation())) as Instance;
    const ips = [first, meanwhile as Instance | null].map((one) => one?.addresses[0]?.ip);
    expect(ips).toEqual(["192.168.122.2", "192.168.122.3"]);
  });

  test("passes over addresses that are reserved by others or leased", async () => {
    const estate = newEstate();
    const network = estate.machine.networks.get("default");
    network?.leases.push({ mac: "52:54:00:99:00:01", ip: "192.168.122.2" });
    network?.reservations.push({ mac: "52:54:00:99:00:02", ip: "192.168.122.3", name: "printer" });
    expect((await create(estate)).addresses[0]?.ip).toBe("192.168.122.4");
  });

  test("takes the address that is asked for", async () => {
    expect((await create(newEstate(), { ip: "192.168.122.77" })).addresses[0]?.ip).toBe("192.168.122.77");
  });

  test("gives the reservation another name where the host name is taken on the network", async () => {
    const estate = newEstate();
    estate.machine.networks
      .get("default")
      ?.reservations.push({ mac: "52:54:00:99:00:02", ip: "192.168.122.9", name: "web1" });
    await create(estate);
    const names = estate.machine.networks.get("default")?.reservations.map((one) => one.name);
    expect(names).toEqual(["web1", expect.stringMatching(/^web1-00000000$/)]);
  });

  test("keeps only the MAC, and says so, where libvirt serves no addresses", async () => {
    const estate = newEstate();
    estate.machine.networks.set("lan", { active: true, dhcp: null, reservations: [], leases: [] });
    const world = command(estate);
    const instance = (await createInstance(world, creation({ network: { name: "lan" } }))) as Instance;
    expect(instance.addresses).toEqual([]);
    expect(world.notes).toContainEqual(
      expect.stringMatching(/^network lan: libvirt serves no addresses there; web1 keeps its MAC 52:54:/),
    );
  });

  test("needs no network", async () => {
    const estate = newEstate();
    const instance = await create(estate, { network: { name: "none" } });
    expect(
      command(estate).host.parseDefinition(estate.machine.domains.get(instance.id)?.inactive ?? "").interfaces,
    ).toEqual([]);
  });

  test("gives every disk of an image, from vda on, and the size asked for to the first", async () => {
    const estate = newEstate((state) => addImage(state, "two", ["sda", "sdb"]));
    const instance = await create(estate, { source: { kind: "image", target: "two" }, diskBytes: 2 * IMAGE_BYTES });
    const state = await stateOf(estate);
    const sizes = Object.values(state.volumes).map((volume) => [volume.device, state.layers[volume.head]?.sizeBytes]);
    expect(sizes).toEqual([
      ["vda", 2 * IMAGE_BYTES],
      ["vdb", IMAGE_BYTES],
    ]);
    const disks = command(estate).host.parseDefinition(estate.machine.domains.get(instance.id)?.inactive ?? "").disks;
    expect(disks.map((disk) => [disk.device, disk.readonly])).toEqual([
      ["vda", false],
      ["vdb", false],
      ["vdz", true],
    ]);
  });

  test("tells the guest who it is: a new identity, a valid host name, the key", async () => {
    const estate = newEstate();
    const world = command(estate);
    const instance = (await createInstance(world, creation({ name: "Señor Web_1" }))) as Instance;
    const seed = world.host.performed.find((action) => action.do === "create-seed");
    expect(seed).toMatchObject({
      metaData: `instance-id: "${instance.id}"\nlocal-hostname: "senor-web-1"\npublic-keys:\n  - "ssh-ed25519 AAAA me@here"\n`,
      userData: '#cloud-config\nssh_authorized_keys:\n  - "ssh-ed25519 AAAA me@here"\n',
    });
  });

  test("has cloud-init forget whom it is a copy of, where that is asked for, beside a person's user data", async () => {
    const estate = newEstate();
    const seedOf = async (name: string, userData: string | null) => {
      const world = command(estate);
      await createInstance(world, creation({ name, userData, ownIdentity: true }));
      const seed = world.host.performed.find((action) => action.do === "create-seed");
      return seed?.do === "create-seed" ? seed.userData : "";
    };
    const { bootcmd, ssh_authorized_keys: keys } = parse(await seedOf("web1", null));
    expect(keys).toEqual(["ssh-ed25519 AAAA me@here"]);
    expect(bootcmd.map((line: string[]) => line.slice(0, 3).join(" "))).toEqual([
      "cloud-init-per instance own-machine-id",
      "cloud-init-per instance own-host-keys",
      "cloud-init-per instance own-logins",
    ]);
    const script = "#!/bin/sh\necho s3cret\n";
    const [head, theirs, ours, end] = (await seedOf("web2", script)).split(/^--estrato-[0-9a-f]{32}(?:--)?\n/m);
    expect(head).toMatch(/^MIME-Version: 1.0\nContent-Type: multipart\/mixed; boundary="estrato-[0-9a-f]{32}"\n\n$/);
    expect(theirs).toBe(`Content-Type: text/plain; charset="utf-8"\n\n${script}\n`);
    const [headers, config = ""] = (ours ?? "").split("\n\n");
    expect(headers).toContain("X-Merge-Type: dict(no_replace,recurse_list)+list(prepend)+str()");
    expect(parse(config)).toEqual({ bootcmd });
    expect(end).toBe("");
  });

  test("hands user data over as it is, and keeps it out of the journal", async () => {
    const estate = newEstate();
    const world = command(estate, { crash: { at: "action", index: 4, phase: "before" } });
    await expect(createInstance(world, creation({ userData: "#!/bin/sh\necho s3cret\n" }))).rejects.toThrow("killed");
    expect(world.host.performed.find((action) => action.do === "create-seed")).toMatchObject({
      userData: "#!/bin/sh\necho s3cret\n",
    });
    expect([...estate.disk.journal.values()].join()).not.toContain("s3cret");
    expect(estate.disk.state).not.toContain("s3cret");
  });

  test("leaves the instance off on request", async () => {
    const estate = newEstate();
    const instance = await create(estate, { start: false });
    expect(estate.machine.domains.get(instance.id)?.state).toBe("shutoff");
  });

  test("takes vCPUs, memory and disk of a flavor, and of `small` where nothing is said", async () => {
    const estate = newEstate();
    const plain = { vcpus: null, ramBytes: null };
    expect((await create(estate, plain)).flavor).toBe("small");
    expect((await create(estate, { ...plain, name: "web2", flavor: "tiny" })).flavor).toBe("tiny");
    const sizes = Object.values((await stateOf(estate)).layers).map((layer) => layer.sizeBytes / 1024 ** 3);
    expect(sizes).toContain(10);
    expect(sizes).toContain(1);
  });

  test("says once that software emulation is slow, however many instances one command makes", async () => {
    const world = command(newEstate());
    await createInstance(world, creation());
    await createInstance(world, creation({ name: "web2" }));
    expect(world.notes.filter((note) => note.includes("software emulation"))).toHaveLength(1);
  });

  test("waits for a merge under the image to end", async () => {
    const estate = newEstate();
    const world = command(estate);
    await world.store.update((draft) => {
      const layer = draft.layers["lay-debian12-vda"];
      if (layer !== undefined) layer.busy = "op-1";
    });
    const sleep = world.clock.sleep;
    world.clock.sleep = async (ms, signal) => {
      await sleep(ms, signal);
      await world.store.update((draft) => {
        const layer = draft.layers["lay-debian12-vda"];
        if (layer !== undefined) layer.busy = null;
      });
    };
    await createInstance(world, creation());
    expect(world.notes).toContain("instance web1: waiting for a merge of the layers it will stand on");
  });

  test("gives up with a conflict where that merge takes longer than a minute", async () => {
    const estate = newEstate();
    const world = command(estate);
    await world.store.update((draft) => {
      const layer = draft.layers["lay-debian12-vda"];
      if (layer !== undefined) layer.busy = "op-1";
    });
    await expect(createInstance(world, creation())).rejects.toMatchObject({ code: "conflict" });
  });

  test("lets exactly one of two creates of one name win", async () => {
    const estate = newEstate();
    const both = await Promise.allSettled([create(estate), create(estate)]);
    expect(both.filter((one) => one.status === "fulfilled")).toHaveLength(1);
    expect(both.find((one) => one.status === "rejected")).toMatchObject({ reason: { code: "conflict" } });
    expect(await wrongs(estate)).toEqual([]);
  });

  test("leaves nothing where the guest does not start", async () => {
    const estate = newEstate();
    const before = snapshotOf(estate);
    const world = command(estate);
    world.host.failNext("start", new EstratoError("failed", "virsh start: no memory"));
    await expect(createInstance(world, creation())).rejects.toThrow("no memory");
    expect(snapshotOf(estate)).toEqual(before);
  });
});

describe("instance create --dry-run", () => {
  test("changes nothing and shows the very commands of the real run", async () => {
    const dry = newEstate();
    const before = snapshotOf(dry);
    const plan = (await createInstance(command(dry, { dryRun: true }), creation())) as PlanView;
    expect(snapshotOf(dry)).toEqual(before);
    const world = command(newEstate());
    await createInstance(world, creation());
    // Its generation is new each time.
    const text = (commands: unknown) => JSON.stringify(commands).replace(/<genid>[^<]*/g, "<genid>");
    expect(text(plan.steps.flatMap((step) => step.commands))).toEqual(text(world.host.told));
  });
});
