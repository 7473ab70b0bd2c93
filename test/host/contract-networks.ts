/** Networks and their reservations. */
import { expect, test } from "vitest";
import type { Rig } from "./rig.ts";

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
}
