/** `--network`: cards on networks and bridges, their MACs and addresses, and what the guest is told of them. */
import { describe, expect, test } from "vitest";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { type NetworkWish, parseNetwork } from "../../../../src/core/instances/network-wish.ts";
import type { Instance } from "../../../../src/core/model/state.ts";
import { command, creation, type Estate, newEstate, wrongs } from "./world.ts";

const estate = (): Estate => {
  const on = newEstate();
  on.machine.folders.add("/sys/class/net/br0/bridge");
  on.machine.networks.set("lan", { active: true, dhcp: null, reservations: [], leases: [] });
  return on;
};
const create = async (on: Estate, ...wishes: string[]) => {
  const [network, ...further] = wishes.map(parseNetwork) as [NetworkWish, ...NetworkWish[]];
  return (await createInstance(command(on), creation({ network, further }))) as Instance;
};
const cards = (on: Estate) =>
  [...on.machine.domains.values()].flatMap(({ inactive }) =>
    command(on)
      .host.parseDefinition(inactive)
      .interfaces.map(({ mac, network, bridge, type }) => [type, network ?? bridge ?? null, mac]),
  );
/** What the seed says of the network. */
const told = (on: Estate) => {
  const seed = [...on.machine.files].find(([path]) => path.endsWith(".iso"))?.[1].text ?? "[]";
  return JSON.parse(JSON.parse(seed)[2] ?? "null");
};

test.each(["", "default,", "default,speed=1", "default,mac=x", "default,mac=53:54:00:00:00:01", "default,ip=1.2.3"])(
  "%j is refused",
  (text) => expect(() => parseNetwork(text)).toThrow(expect.objectContaining({ code: "usage" })),
);
test.each([
  ...["bridge=", "bridge=a/b", "bridge=averyverylongname", "mac=52:54:00:00:00:01", "default,bridge=br0", "-x", "a/b"],
  ...[
    "none,mac=52:54:00:00:00:01",
    "user,ip=10.0.2.9",
    "br0,ip=10.0.0.9/33",
    "br0,ip=10.0.0.9/0",
    "lan,ip=10.0.0.9/24/1",
  ],
  ...[
    "lan,gateway=10.0.0.1",
    "lan,ip=10.0.0.9,dns=10.0.0.1",
    "lan,ip=10.0.0.9/24,gateway=x",
    "lan,ip=10.0.0.9,ip=10.0.0.8",
  ],
])("%j is refused", (text) => {
  expect(() => parseNetwork(text)).toThrow(expect.objectContaining({ code: "usage" }));
});

describe("cards", () => {
  test("are as many as there are networks, each with an address of its own and a name of its own there", async () => {
    const on = estate();
    const made = await create(on, "default", "default,ip=192.168.122.77,mac=52:54:00:99:00:01", "lan");
    expect(made.addresses.map(({ network, ip }) => [network, ip])).toEqual([
      ["default", "192.168.122.2"],
      ["default", "192.168.122.77"],
    ]);
    expect(on.machine.networks.get("default")?.reservations.map(({ name }) => name)).toEqual(["web1", "web1-2"]);
    expect(cards(on)).toEqual([
      ["network", "default", "52:54:00:00:00:01"],
      ["network", "default", "52:54:00:99:00:01"],
      ["network", "lan", "52:54:00:00:00:02"],
    ]);
    const dhcp = (mac: string) => ({ match: { macaddress: mac }, dhcp4: true });
    expect(told(on)).toEqual({
      version: 2,
      ethernets: { nic0: dhcp("52:54:00:00:00:01"), nic1: dhcp("52:54:00:99:00:01"), nic2: dhcp("52:54:00:00:00:02") },
    });
    expect(await wrongs(on)).toEqual([]);
  });

  test("one by DHCP needs to be told nothing", async () => {
    const on = estate();
    await create(on, "default");
    expect(told(on)).toBeNull();
  });

  test("on a bridge get the address that the guest is told", async () => {
    const on = estate();
    const made = await create(on, "bridge=br0,ip=10.0.0.9/24,gateway=10.0.0.1,dns=10.0.0.2");
    expect(made.addresses).toEqual([]);
    expect(cards(on)).toEqual([["bridge", "br0", "52:54:00:00:00:01"]]);
    expect(told(on).ethernets.nic0).toEqual({
      match: { macaddress: "52:54:00:00:00:01" },
      addresses: ["10.0.0.9/24"],
      routes: [{ to: "0.0.0.0/0", via: "10.0.0.1" }],
      nameservers: { addresses: ["10.0.0.2"] },
    });
  });

  test("on a network that gives no addresses do so too, and where it gives them it is reserved", async () => {
    const on = estate();
    await create(on, "lan,ip=10.0.0.9/24");
    expect(told(on).ethernets.nic0).toMatchObject({ addresses: ["10.0.0.9/24"] });
    const other = estate();
    const made = await create(other, "default,ip=192.168.122.50/24");
    expect(made.addresses).toMatchObject([{ ip: "192.168.122.50" }]);
    expect(told(other)).toBeNull();
  });

  const refusals: readonly (readonly [string, readonly string[], string])[] = [
    ["an address on a bridge without the bits of its network", ["bridge=br0,ip=10.0.0.9"], "usage"],
    ["a bridge that is not there", ["bridge=br9"], "not_found"],
    ["a network that is not there, beside one that is", ["default", "nosuch"], "not_found"],
    ["one MAC twice", ["default,mac=52:54:00:99:00:01", "lan,mac=52:54:00:99:00:01"], "conflict"],
    ["one address twice", ["default,ip=192.168.122.9", "default,ip=192.168.122.9"], "conflict"],
    ["none, and others", ["default", "none"], "usage"],
    ["an address that is none of the network", ["default,ip=10.0.0.9"], "usage"],
  ];
  test.each(refusals)("are refused with %s, and nothing is made", async (_, wishes, code) => {
    const on = estate();
    await expect(create(on, ...wishes)).rejects.toThrow(expect.objectContaining({ code }));
    expect(on.machine.domains.size).toBe(0);
    expect(await wrongs(on)).toEqual([]);
  });
});
