import { describe, expect, test } from "vitest";
import type { Command } from "../../../src/core/model/host.ts";
import type { HostPort } from "../../../src/core/ports.ts";
import { command, type Estate, newEstate, snapshotOf } from "../core/instances/world.ts";
import { runLine } from "./line.ts";

/** `instance create web1 …` and the like on an estate: words apart by spaces. */
function run(estate: Estate, line: string, change: Partial<HostPort> = {}) {
  const { host, store } = command(estate);
  return runLine(line.split(" "), { host: { ...host, ...change }, store });
}

const CREATE = "instance create web1 --image debian12 --vcpus 1 --ram 256M";

describe("instance create", () => {
  test("prints what it made, with the keys that scripts rely on", async () => {
    const { exit, stdout } = await run(newEstate(), `${CREATE} --key-name mykey --property role=front -f json`);
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: "web1",
      status: "active",
      flavor: null,
      vcpus: 1,
      ram_bytes: 268_435_456,
      image: "debian12",
      key_name: "mykey",
      addresses: ["192.168.122.2"],
      macs: ["52:54:00:00:00:01"],
      volumes: [{ id: expect.stringMatching(/^vol-/), device: "vda", size_bytes: 1_048_576 }],
      created_at: "2025-01-01T00:00:00.000Z",
      managed: true,
      properties: { role: "front" },
    });
  });

  test("-f value -c id prints the id and nothing else", async () => {
    const { stdout } = await run(newEstate(), `${CREATE} -f value -c id`);
    expect(stdout).toMatch(/^[0-9a-f-]{36}\n$/);
  });

  test("--count makes numbered ones and prints an array", async () => {
    const { stdout } = await run(newEstate(), `${CREATE} --count 2 -f json --query [].name`);
    expect(JSON.parse(stdout)).toEqual(["web1-1", "web1-2"]);
  });

  test("--count 1 prints an array too", async () => {
    const { stdout } = await run(newEstate(), `${CREATE} --count 1 -f json`);
    expect(JSON.parse(stdout)).toMatchObject([{ name: "web1-1" }]);
  });

  test("-q prints nothing", async () => {
    expect(await run(newEstate(), `${CREATE} -q`)).toEqual({ exit: 0, stdout: "", stderr: "" });
  });

  test("--dry-run prints the commands and changes nothing", async () => {
    const estate = newEstate();
    const before = snapshotOf(estate);
    const { exit, stdout } = await run(estate, `${CREATE} --dry-run`);
    expect(exit).toBe(0);
    expect(stdout).toContain("qemu-img create");
    expect(snapshotOf(estate)).toEqual(before);
  });

  test.each([
    ["instance create web1", "none of --image, --snapshot, --backup and --boot-volume is given"],
    [`${CREATE} --snapshot a/b`, "--image and --snapshot"],
    [`${CREATE} --ip 192.168.122.9 --count 2`, "--ip and --count"],
    [`${CREATE} --no-start --wait agent`, "--no-start and --wait"],
    [`${CREATE} --ram lots`, "not a size"],
    [`${CREATE} --vcpus 0`, "not a whole number"],
    [`${CREATE} -c nosuch`, "nosuch"],
    ["instance set web1", "nothing to set"],
    ["wait instance web1 --for happiness", "not something to wait for"],
    ["wait image web1 --for status=active", "only instances"],
  ])("exit 2 and one line: %s", async (line, words) => {
    const estate = newEstate();
    const before = snapshotOf(estate);
    const { exit, stdout, stderr } = await run(estate, line);
    expect({ exit, stdout }).toEqual({ exit: 2, stdout: "" });
    expect(stderr).toMatch(/^estrato: [^\n]*\n$/);
    expect(stderr).toContain(words);
    expect(snapshotOf(estate)).toEqual(before);
  });

  test("user data that is not there is exit 6", async () => {
    expect(await run(newEstate(), `${CREATE} --user-data /nowhere/x`)).toMatchObject({ exit: 6 });
  });
});

describe("several instances", () => {
  test("are all tried: some failed is exit 3, and the last line counts them", async () => {
    const estate = newEstate();
    await run(estate, `${CREATE} --count 2`);
    const { exit, stderr } = await run(estate, "instance stop web1-1 nosuch web1-2");
    expect(exit).toBe(3);
    expect(stderr.trimEnd().split("\n").at(-1)).toMatch(/1 of 3 instances failed to stop/);
    expect([...estate.machine.domains.values()].map((domain) => domain.state)).toEqual(["shutoff", "shutoff"]);
  });

  test("show what they have become where a format asks for it", async () => {
    const estate = newEstate();
    await run(estate, `${CREATE} --count 2`);
    expect((await run(estate, "instance pause web1-1 web1-2 -f value -c status")).stdout).toBe("paused\npaused\n");
    expect((await run(estate, "instance resume web1-1 web1-2")).stdout).toBe("");
  });
});

describe("instance delete", () => {
  test("with nobody to ask is exit 8 and changes nothing", async () => {
    const estate = newEstate();
    await run(estate, CREATE);
    const before = snapshotOf(estate);
    const { exit, stderr } = await run(estate, "instance delete web1");
    expect(exit).toBe(8);
    expect(stderr).toContain("disk vda");
    expect(snapshotOf(estate)).toEqual(before);
  });

  test("prints nothing", async () => {
    const estate = newEstate();
    await run(estate, CREATE);
    expect(await run(estate, "instance delete -y web1")).toMatchObject({ exit: 0, stdout: "" });
    expect((await run(estate, "instance list -f json")).stdout).toBe("[]\n");
  });
});

describe("instance ssh", () => {
  test("asks for no host key of a clone, and exits as the command did", async () => {
    const estate = newEstate();
    await run(estate, CREATE);
    let asked: Command | null = null;
    const { exit, stderr } = await run(estate, "instance ssh web1 -l debian -- uptime -p", {
      interactive: async (one) => {
        asked = one;
        return 3;
      },
    });
    expect({ exit, stderr }).toEqual({ exit: 3, stderr: "" });
    const id = [...estate.machine.domains.keys()][0];
    expect(asked).toMatchObject({ program: "ssh", args: expect.arrayContaining([`HostKeyAlias=${id}`]) });
    expect((asked as unknown as Command).args.slice(-6)).toEqual([
      "-l",
      "debian",
      "--",
      "192.168.122.2",
      "uptime",
      "-p",
    ]);
  });

  test("refuses one that is off, and a login that ssh would take for an option", async () => {
    const estate = newEstate();
    await run(estate, `${CREATE} --no-start`);
    expect(await run(estate, "instance ssh web1")).toMatchObject({ exit: 5 });
    await run(estate, "instance start web1");
    expect(await run(estate, "instance ssh web1 --login=-oProxyCommand=x")).toMatchObject({ exit: 2 });
  });

  /** A guest whose ssh server greets at the n-th look. */
  const greeting = (at: number) => {
    const looks: string[] = [];
    const connected: Command[] = [];
    const change: Partial<HostPort> = {
      sshGreets: async (address) => looks.push(address) >= at,
      interactive: async (one) => {
        connected.push(one);
        return 0;
      },
    };
    return { looks, connected, change };
  };

  test("waits until the guest's ssh answers, however long that takes within the limit", async () => {
    const estate = newEstate();
    await run(estate, CREATE);
    const { looks, connected, change } = greeting(20);
    expect(await run(estate, "instance ssh web1", change)).toEqual({ exit: 0, stdout: "", stderr: "" });
    expect({ looks: looks.length, address: looks.at(-1) }).toEqual({ looks: 20, address: "192.168.122.2" });
    expect(connected).toHaveLength(1);
  });

  test.each([
    ["", "60"],
    ["--timeout 5s ", "5"],
    ["--timeout 0s ", "0"],
  ])("exits 255 where its ssh does not answer, and names the address: %s", async (option, seconds) => {
    const estate = newEstate();
    await run(estate, CREATE);
    const { looks, connected, change } = greeting(Number.POSITIVE_INFINITY);
    const { exit, stdout, stderr } = await run(estate, `instance ssh web1 ${option}-- uptime`, change);
    expect({ exit, stdout }).toEqual({ exit: 255, stdout: "" });
    expect(stderr).toBe(
      `estrato: instance web1: no ssh server answers at 192.168.122.2, port 22, within ${seconds} s. ` +
        'See what the guest does with "estrato instance log web1", or wait longer with --timeout.\n',
    );
    expect(looks.length).toBeGreaterThan(0);
    expect(connected).toEqual([]);
  });

  test("--no-wait connects at once", async () => {
    const estate = newEstate();
    await run(estate, CREATE);
    const { looks, connected, change } = greeting(Number.POSITIVE_INFINITY);
    expect(await run(estate, "instance ssh web1 --no-wait", change)).toMatchObject({ exit: 0 });
    expect({ looks, connected: connected.length }).toEqual({ looks: [], connected: 1 });
  });

  /** No address of it is reserved: its agent alone says where it is. */
  const roaming = async () => {
    const estate = newEstate();
    const network = estate.machine.networks.get("default");
    if (network !== undefined) network.dhcp = null;
    await run(estate, CREATE);
    return estate;
  };

  test("waits for an address, and goes after a guest that takes another while it boots", async () => {
    const estate = await roaming();
    const told = [[], [], ["10.0.0.7"], ["10.0.0.8"]];
    const looks: string[] = [];
    const connected: Command[] = [];
    const { exit } = await run(estate, "instance ssh web1", {
      agentPing: async () => true,
      agentAddresses: async () => told.shift() ?? [],
      sshGreets: async (address) => looks.push(address) === 2,
      interactive: async (one) => connected.push(one) - 1,
    });
    expect({ exit, looks }).toEqual({ exit: 0, looks: ["10.0.0.7", "10.0.0.8"] });
    expect(connected[0]?.args.at(-1)).toBe("10.0.0.8");
  });

  test("ends at once where it goes off", async () => {
    const estate = newEstate();
    await run(estate, CREATE);
    const [domain] = estate.machine.domains.values();
    let looks = 0;
    const ended = await run(estate, "instance ssh web1", {
      sshGreets: async () => {
        looks += 1;
        if (looks === 3 && domain !== undefined) Object.assign(domain, { state: "shutoff", live: null });
        return false;
      },
    });
    expect(ended).toMatchObject({ exit: 5, stderr: expect.stringContaining("it is off") });
    expect(looks).toBe(3);
  });

  test("exits 4 where no address comes, at once where none can", async () => {
    const estate = await roaming();
    let looks = 0;
    const network = estate.machine.networks.get("default");
    const look = async () => {
      looks += 1;
      return { name: "default", active: true, reservations: [], leases: [], dhcp: network?.dhcp ?? null };
    };
    expect(await run(estate, "instance ssh web1", { network: look })).toMatchObject({ exit: 4 });
    expect(looks).toBeGreaterThan(2);
    looks = 0;
    expect(await run(estate, "instance ssh web1 --no-wait", { network: look })).toMatchObject({ exit: 4 });
    expect(looks).toBe(1);
    const bare = newEstate();
    await run(bare, `${CREATE} --network none`);
    expect(await run(bare, "instance ssh web1", { sshGreets: async () => expect.unreachable() })).toMatchObject({
      exit: 4,
    });
  });
});

test("instance log says where there is none", async () => {
  const estate = newEstate();
  await run(estate, CREATE);
  expect(await run(estate, "instance log web1")).toMatchObject({ exit: 4 });
});

test("instance list is tab-separated in a pipe", async () => {
  const estate = newEstate();
  await run(estate, CREATE);
  const { stdout } = await run(estate, "instance list");
  expect(stdout).toMatch(/^[0-9a-f-]{36}\tweb1\tactive\t\tdebian12\t192\.168\.122\.2\n$/);
});
