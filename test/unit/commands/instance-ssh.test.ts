import { describe, expect, test } from "vitest";
import type { Command } from "../../../src/core/model/host.ts";
import type { HostPort } from "../../../src/core/ports.ts";
import { command, type Estate, newEstate } from "../core/instances/world.ts";
import { runLine } from "./line.ts";

/** `instance create web1 …` and the like on an estate: words apart by spaces. */
function run(estate: Estate, line: string, change: Partial<HostPort> = {}) {
  const { host, store } = command(estate);
  return runLine(line.split(" "), { host: { ...host, ...change }, store });
}

const CREATE = "instance create web1 --image debian12 --vcpus 1 --ram 256M";

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

  test("in a dry run says what it would run, and does not connect; so does the console", async () => {
    const estate = newEstate();
    await run(estate, CREATE);
    const change = { sshGreets: async () => true, interactive: async () => expect.unreachable() };
    const { exit, stdout } = await run(estate, "instance ssh web1 -n -- reboot", change);
    expect({ exit, stdout }).toEqual({
      exit: 0,
      stdout: expect.stringMatching(/^1\. Connect with web1\n {5}ssh -o .* -- 192\.168\.122\.2 reboot\n$/),
    });
    const { host, store } = command(estate);
    const at = { host: { ...host, ...change }, store, terminal: true, env: { NO_COLOR: "1" } };
    const console = await runLine(["instance", "console", "web1", "-n"], at);
    expect(console).toMatchObject({ exit: 0, stdout: expect.stringContaining("virsh") });
    expect((await runLine(["instance", "console", "web1", "-n"], { ...at, terminal: false })).exit).toBe(2);
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
      sshGreets: async ({ address }) => looks.push(address) >= at,
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
      sshGreets: async ({ address }) => looks.push(address) === 2,
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
