/** `network list` and `network show`: what libvirt has. */
import { expect, test } from "vitest";
import { createInstance } from "../../../src/core/instances/create.ts";
import { expectSchemaOf } from "../../schemas.ts";
import { command, creation, newEstate } from "../core/instances/world.ts";
import { TARGET } from "../core/world.ts";
import { printed, run } from "./estate.ts";

const estate = async () => {
  const on = newEstate();
  await createInstance(command(on), creation());
  on.machine.networks.set("alone", { active: false, dhcp: null, reservations: [], leases: [] });
  const [, network] = [...on.machine.networks][0] ?? [];
  Object.assign(network ?? {}, {
    mode: "nat",
    bridge: "virbr0",
    leases: [{ mac: "52:54:00:0a:0b:0c", ip: "192.168.122.9" }],
  });
  return on;
};

const DEFAULT = {
  name: "default",
  status: "active",
  mode: "nat",
  bridge: "virbr0",
  subnet: "192.168.122.0/24",
  gateway: "192.168.122.1",
  first_address: "192.168.122.2",
  last_address: "192.168.122.254",
  instances: ["web1"],
  reservations: [{ mac: "52:54:00:00:00:01", address: "192.168.122.2", name: "web1" }],
  leases: [{ mac: "52:54:00:0a:0b:0c", address: "192.168.122.9", given_at: null }],
};

test("are listed by name, with who is on them", async () => {
  const on = await estate();
  const { stdout } = await run(on, "network list -f json");
  await expectSchemaOf(["network", "list"], JSON.parse(stdout));
  expect(JSON.parse(stdout)).toMatchObject([
    { name: "alone", status: "inactive", mode: "isolated", subnet: null, instances: [] },
    DEFAULT,
  ]);
  expect((await run(on, "network list --filter status=active -f value -c name")).stdout).toBe("default\n");
});

test("are shown in full; one that is not there is named, with those that are", async () => {
  const on = await estate();
  const { stdout } = await run(on, "network show default -f json");
  await expectSchemaOf(["network", "show"], JSON.parse(stdout));
  expect(JSON.parse(stdout)).toEqual(DEFAULT);
  expect(await run(on, "network show defualt")).toMatchObject({
    exit: 4,
    stdout: "",
    stderr: expect.stringContaining("network defualt: not found"),
  });
});

test("an instance of a user's network that comes back as itself has one, and a port for its ssh", async () => {
  const on = newEstate();
  on.machine.folders.add(TARGET);
  for (const line of [
    "instance create web1 --image debian12 --vcpus 1 --ram 256M --network user --forward 8080:80 --no-start",
    `backup web1 --rotation 1 --name b1 --target ${TARGET}`,
    "instance delete web1 -y",
    "instance create web2 --image debian12 --vcpus 1 --ram 256M --network user --no-start",
    `backup restore web1/b1 --as-it-was --target ${TARGET}`,
  ])
    await printed(on, line);
  const shown = JSON.parse(await printed(on, "instance show web1 web2 -f json"));
  expect(shown).toMatchObject([
    { status: "active", networks: ["user"], forwards: [{ host_port: 24_001, guest_port: 22 }] },
    { status: "shutoff", networks: ["user"], forwards: [{ host_port: 24_000, guest_port: 22 }] },
  ]);
  expect((await run(on, "doctor")).stdout).toBe("");
});
