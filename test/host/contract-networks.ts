/** Networks and their reservations. */
import { expect, test } from "vitest";
import type { Forward } from "../../src/core/model/host.ts";
import { defineGuest, type Rig } from "./rig.ts";

const MINE = { network: "default", mac: "52:54:00:0A:0b:0c", ip: "192.168.122.77", name: "web1" } as const;

export function networkContract(current: () => Rig): void {
  test("a network tells its range, and one that is not there is null", async () => {
    const { host } = current();
    expect(await host.listNetworks()).toContain("default");
    expect(await host.network("default")).toMatchObject({
      name: "default",
      active: true,
      dhcp: { start: "192.168.122.2", end: "192.168.122.254", gateway: "192.168.122.1", prefix: 24 },
    });
    expect(await host.network("nobody")).toBeNull();
  });

  test("an address is reserved once, for one, and given back", async () => {
    const { host } = current();
    const reservations = async () => (await host.network("default"))?.reservations ?? [];
    for (const _ of ["once", "again"]) await host.perform({ do: "reserve-address", ...MINE });
    expect(await reservations()).toEqual([{ mac: MINE.mac.toLowerCase(), ip: MINE.ip, name: "web1" }]);
    const others = [
      { ...MINE, mac: "52:54:00:00:00:01" },
      { ...MINE, ip: "192.168.122.78" },
    ];
    for (const other of others) {
      await expect(host.perform({ do: "reserve-address", ...other })).rejects.toMatchObject({ code: "conflict" });
    }
    const { network, mac, ip } = MINE;
    for (const _ of ["once", "again"]) await host.perform({ do: "release-address", network, mac, ip });
    expect(await reservations()).toEqual([]);
  });

  test("a reservation on a network that is not there is not found, and its release is done", async () => {
    const { host } = current();
    await expect(host.perform({ do: "reserve-address", ...MINE, network: "nobody" })).rejects.toMatchObject({
      code: "not_found",
    });
    const { mac, ip } = MINE;
    await host.perform({ do: "release-address", network: "nobody", mac, ip });
  });

  test("ports lead to a running guest whose network QEMU serves: those that are set, and no others", async () => {
    const { host } = current();
    expect(await host.userBackend()).toBe("qemu"); // there is no way out here, which passt needs
    const mac = "52:54:00:00:00:09";
    const uuid = await defineGuest(current(), {}, [{ mac, user: { backend: "qemu", forwards: [] } }]);
    const [web, dns, all]: Forward[] = [
      { protocol: "tcp", address: "127.0.0.1", host: 8080, guest: 80 },
      { protocol: "udp", address: "127.0.0.1", host: 5353, guest: 53 },
      { protocol: "tcp", address: "0.0.0.0", host: 8081, guest: 81 },
    ] as const;
    if (web === undefined || dns === undefined || all === undefined) throw new Error("no forwards");
    const set = (...forwards: Forward[]) => host.perform({ do: "set-forwards", domain: uuid, forwards });
    const led = async () => new Set(await host.liveForwards(uuid));
    await set(web); // of one that is off: nothing to do
    expect(await host.liveForwards(uuid)).toBeNull();
    await host.perform({ do: "start", domain: uuid, paused: false });
    expect(await led()).toEqual(new Set());
    for (const _ of ["once", "again"]) await set(web, dns);
    expect(await led()).toEqual(new Set([web, dns]));
    expect(await host.tryListening(web)).toBe("taken");
    await set(all, { ...web, guest: 8 });
    expect(await led()).toEqual(new Set([all, { ...web, guest: 8 }]));
    expect(await host.tryListening(dns)).toBe("free");
    const other = await defineGuest(current(), {}, [{ mac, user: { backend: "qemu", forwards: [] } }]);
    await host.perform({ do: "start", domain: other, paused: false });
    await expect(host.perform({ do: "set-forwards", domain: other, forwards: [web] })).rejects.toMatchObject({
      code: "conflict",
    });
    expect(await host.tryListening({ ...web, address: "203.0.113.7" })).toBe("no-address");
    for (const domain of [uuid, other]) await host.perform({ do: "destroy", domain });
    expect(await host.tryListening(web)).toBe("free");
  });
}
