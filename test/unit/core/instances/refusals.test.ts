import { expect, test } from "vitest";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { instanceNames } from "../../../../src/core/instances/names.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import { command, creation, type Estate, IMAGE_BYTES, newEstate, snapshotOf } from "./world.ts";

type Change = Parameters<typeof creation>[0];

const withWeb1 = async (): Promise<Estate> => {
  const estate = newEstate();
  await createInstance(command(estate), creation());
  return estate;
};

const refusals: [what: string, change: Change, code: string, message: string | RegExp][] = [
  ["an empty name", { name: "" }, "usage", /it is empty/],
  ['a name with "/"', { name: "a/b" }, "usage", /it holds a "\/"/],
  ["a name with a leading dash", { name: "-rf" }, "usage", /begins with "-"/],
  ["a name with a newline", { name: "a\nb" }, "usage", /control character/],
  ["a name of 300 characters", { name: "a".repeat(300) }, "usage", /longer than 128/],
  ["a name that an instance has", { name: "web1" }, "conflict", "instance web1: the name is taken"],
  [
    "an image that is not there",
    { source: { kind: "image", target: "nosuch" } },
    "not_found",
    "image nosuch: not found",
  ],
  [
    "a snapshot that is not there",
    { source: { kind: "snapshot", target: "web1/nosuch" } },
    "not_found",
    "snapshot web1/nosuch: not found",
  ],
  ["a key that is not there", { keyName: "nosuch" }, "not_found", "keypair nosuch: not found"],
  [
    "a flavor that is not there",
    { flavor: "nosuch", vcpus: null, ramBytes: null },
    "not_found",
    "flavor nosuch: not found",
  ],
  ["a disk that ends within a sector", { diskBytes: 17_000_001 }, "usage", /no whole number of sectors/],
  ["memory that is less than a MiB", { ramBytes: 1024 }, "usage", /1 KiB of memory is too little/],
  ["more vCPUs than QEMU takes", { vcpus: 4097 }, "usage", /4097 vCPUs are too many/],
  ["a flavor together with figures", { flavor: "small" }, "usage", /says the vCPUs, memory and disk already/],
  ["a disk smaller than the image", { diskBytes: IMAGE_BYTES - 65536 }, "usage", /needs a disk of 1 MiB/],
  ["a network that is not there", { network: { name: "nosuch" } }, "not_found", "network nosuch: not found"],
  ["an address that is none", { ip: "300.1.1.1" }, "usage", /not an IPv4 address/],
  ["an address outside the network", { ip: "10.0.0.1" }, "usage", /outside network default \(192.168.122.0\/24\)/],
  ["the gateway's address", { ip: "192.168.122.1" }, "usage", /the gateway/],
  ["the network's own address", { ip: "192.168.122.0" }, "usage", /the network's own address/],
  ["the broadcast address", { ip: "192.168.122.255" }, "usage", /the broadcast address/],
  [
    "an address that is reserved",
    { ip: "192.168.122.2" },
    "conflict",
    "address 192.168.122.2: it is reserved for web1",
  ],
  ["an address that is leased", { ip: "192.168.122.200" }, "conflict", /it is leased to/],
  [
    "an address without a network",
    { network: { name: "none" }, ip: "192.168.122.9" },
    "usage",
    /without a network there is none/,
  ],
];

test.each(refusals)("instance create refuses %s, and changes nothing", async (_, change, code, message) => {
  const estate = await withWeb1();
  estate.machine.networks.get("default")?.leases.push({ mac: "52:54:00:99:00:01", ip: "192.168.122.200" });
  const before = snapshotOf(estate);
  const attempt = createInstance(command(estate), creation({ name: "web2", ...change }));
  await expect(attempt).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  await expect(attempt).rejects.toMatchObject({ message: expect.not.stringMatching(/\n/) });
  expect(snapshotOf(estate)).toEqual(before);
});

test("instance create refuses a name that a domain of others has", async () => {
  const estate = newEstate();
  const { host } = command(estate);
  host.addFile("/other.qcow2");
  host.addDomain({ name: "web1", disks: [{ device: "vda", path: "/other.qcow2", format: "qcow2" }] } as never);
  await expect(createInstance(command(estate), creation())).rejects.toMatchObject({ code: "conflict" });
});

test("instance create refuses what the host has no space for", async () => {
  const estate = newEstate();
  estate.machine.freeBytes = 1024;
  const before = snapshotOf(estate);
  await expect(createInstance(command(estate), creation())).rejects.toMatchObject({ code: "host" });
  expect(snapshotOf(estate)).toEqual(before);
});

test("instance create refuses a chain that this host cannot start", async () => {
  const estate = newEstate();
  estate.machine.capabilities = { ...estate.machine.capabilities, maxChain: 1 };
  await expect(createInstance(command(estate), creation())).rejects.toMatchObject({ code: "conflict" });
});

test("instance create refuses less memory than the image needs", async () => {
  const estate = newEstate((state) => {
    const image = state.images["img-debian12"];
    if (image !== undefined) image.minRamBytes = 2 ** 30;
  });
  await expect(createInstance(command(estate), creation())).rejects.toMatchObject({ code: "usage" });
});

test("instance create refuses a network that has no address left", async () => {
  const estate = newEstate();
  const network = estate.machine.networks.get("default");
  if (network?.dhcp) network.dhcp = { ...network.dhcp, end: "192.168.122.2" };
  await createInstance(command(estate), creation());
  await expect(createInstance(command(estate), creation({ name: "web2" }))).rejects.toMatchObject({ code: "host" });
});

test("instance create refuses a network that is not active", async () => {
  const estate = newEstate();
  const network = estate.machine.networks.get("default");
  if (network !== undefined) network.active = false;
  await expect(createInstance(command(estate), creation())).rejects.toMatchObject({ code: "host" });
});

test("--count makes names with numbers, and refuses a name that becomes too long", () => {
  expect(instanceNames("web1", null)).toEqual(["web1"]);
  expect(instanceNames("web1", 3)).toEqual(["web1-1", "web1-2", "web1-3"]);
  expect(() => instanceNames("a".repeat(127), 1)).toThrow(/longer than 128/);
});

test("a name with which libvirt starts no guest is refused, for a new one and an old one, in a dry run too", async () => {
  const estate = newEstate();
  await createInstance(command(estate), creation({ name: "web1", start: false }));
  estate.machine.capabilities = { ...estate.machine.capabilities, nameStartBytes: 33 };
  const before = snapshotOf(estate);
  const nothing = { properties: {}, dropProperties: [], autostart: null };
  for (const dryRun of [false, true]) {
    for (const name of ["教室一号服务器实验用虚拟机一二", "п".repeat(17)]) {
      const refused = { code: "usage", message: expect.stringContaining("more than 33") };
      const world = command(estate, { dryRun });
      await expect(createInstance(world, creation({ name }))).rejects.toMatchObject(refused);
      await expect(setInstance(world, "web1", { ...nothing, name })).rejects.toMatchObject(refused);
    }
  }
  expect(snapshotOf(estate)).toEqual(before);
  for (const name of ["教室一号服务器实验用虚", `web-${"п".repeat(14)}`, `${"w".repeat(20)}${"п".repeat(60)}`])
    await createInstance(command(estate), creation({ name, start: false }));
});
