/** A network that needs no root: ports of this host lead to an instance, and stay its own. */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { parseForward } from "../../../../src/core/forwards/forward.ts";
import { createInstance } from "../../../../src/core/instances/create.ts";
import { setInstance } from "../../../../src/core/instances/set.ts";
import { startInstance } from "../../../../src/core/instances/start.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import type { Forward } from "../../../../src/core/model/host.ts";
import type { Instance } from "../../../../src/core/model/state.ts";
import { isPlan } from "../../../../src/core/operations/steps.ts";
import { withLocks } from "../../../../src/core/operations/with-locks.ts";
import type { World } from "../../../../src/core/ports.ts";
import { shelveInstance } from "../../../../src/core/shelving/shelve.ts";
import { unshelveInstance } from "../../../../src/core/shelving/unshelve.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { revertSnapshot } from "../../../../src/core/snapshots/revert.ts";
import { listenedBy } from "../../../fake/host-domains.ts";
import { ENDINGS, everyEnd } from "../ends.ts";
import { command, creation, type Estate, newEstate, stateOf, wrongs } from "./world.ts";

const USER = { network: { name: "user" } } as const;
const port = (text: string): Forward => parseForward(text);
const SSH = port("20000:22");
const WEB = port("8080:80");
const STOP = { force: true, timeoutMs: 1000, wait: true };

const create = async (on: Estate, change: Partial<Parameters<typeof creation>[0]> = {}) =>
  (await createInstance(command(on), creation({ ...USER, ...change }))) as Instance;
const set = (world: World, add: readonly string[], drop: readonly string[] = [], target = "web1") =>
  setInstance(world, target, {
    ...{ name: null, properties: {}, dropProperties: [], autostart: null },
    forwards: { add: add.map(port), drop },
  });
const recorded = async (on: Estate, name = "web1") =>
  Object.values((await stateOf(on)).instances).find((one) => one.name === name)?.userNetwork?.forwards;
/** What leads to the guests that run. */
const open = (on: Estate) => [...on.machine.domains.values()].flatMap(listenedBy);
const passt = (on: Estate): Estate => {
  on.machine.userBackend = "passt";
  return on;
};
const memorySnapshot = (on: Estate) =>
  createSnapshot(command(on), {
    ...{ instance: "web1", name: "m1", quiesce: "off", excludeDisks: [], description: null, properties: {} },
    ...{ expiresAt: null, protect: false, memory: true },
  });
const SHELVE = { offload: false, timeoutMs: 1000, folder: null };
const REVERT = { discard: true, keepMs: 1000 };

describe("[ADDRESS:]HOST:GUEST[/udp]", () => {
  test.each([
    ["8080:80", { protocol: "tcp", address: "127.0.0.1", host: 8080, guest: 80 }],
    ["0.0.0.0:8080:80", { protocol: "tcp", address: "0.0.0.0", host: 8080, guest: 80 }],
    ["5353:53/udp", { protocol: "udp", address: "127.0.0.1", host: 5353, guest: 53 }],
  ])("%s is read", (text, forward) => {
    expect(parseForward(text)).toEqual(forward);
  });

  test.each(["", "80", "8080:", ":80", "a:80", "0:80", "80:0", "65536:80", "08080:80", "1.2.3:8080:80", "::1:8080:80"])(
    "%j is refused",
    (text) => {
      expect(() => parseForward(text)).toThrow(expect.objectContaining({ code: "usage" }));
    },
  );
  test.each(["8080:80/sctp", "8080:80 ", "host:8080:80", "8080:80:90"])("%j is refused", (text) => {
    expect(() => parseForward(text)).toThrow(expect.objectContaining({ code: "usage" }));
  });
});

describe.each(["qemu", "passt"] as const)("served by %s", (backend) => {
  const estate = () => (backend === "passt" ? passt(newEstate()) : newEstate());

  test("a new instance gets a port for its ssh, and those that are asked for, and no reservation", async () => {
    const on = estate();
    const made = await create(on, { forwards: [WEB] });
    expect(made).toMatchObject({ addresses: [], userNetwork: { backend, forwards: [WEB, SSH] } });
    expect(open(on)).toEqual([WEB, SSH]);
    const { interfaces } = command(on).host.parseDefinition([...on.machine.domains.values()][0]?.inactive ?? "");
    expect(interfaces).toMatchObject([{ type: "user", user: { backend } }]);
    expect(await examine(command(on))).toEqual([]);
  });

  test("they stay over stop and start, a revert to memory, and shelving", async () => {
    const on = estate();
    await create(on, { forwards: [WEB] });
    await stopInstance(command(on), "web1", STOP);
    expect(open(on)).toEqual([]);
    await startInstance(command(on), "web1");
    expect(open(on)).toEqual([WEB, SSH]);
    await memorySnapshot(on);
    await stopInstance(command(on), "web1", STOP);
    await set(command(on), ["8081:81"], ["8080"]);
    await startInstance(command(on), "web1");
    await revertSnapshot(command(on), "web1/m1", REVERT);
    const now = [SSH, port("8081:81")];
    expect(open(on)).toEqual(now); // those of now, not of then
    await shelveInstance(command(on), "web1", SHELVE);
    expect(open(on)).toEqual([]);
    await unshelveInstance(command(on), "web1");
    expect(open(on)).toEqual(now);
    expect(await examine(command(on))).toEqual([]);
  });

  test("who starts where somebody has a port meanwhile is refused, and nothing has changed", async () => {
    const on = estate();
    await create(on, { forwards: [WEB] });
    await memorySnapshot(on);
    await stopInstance(command(on), "web1", STOP);
    on.machine.listening = [port("0.0.0.0:8080:1")];
    const taken = expect.objectContaining({ code: "conflict", message: expect.stringContaining("127.0.0.1:8080") });
    await expect(startInstance(command(on), "web1")).rejects.toThrow(taken);
    await expect(revertSnapshot(command(on), "web1/m1", REVERT)).rejects.toThrow(taken);
    expect(open(on)).toEqual([]);
    expect(await examine(command(on))).toEqual([]);
    on.machine.listening = [];
    await startInstance(command(on), "web1");
    await shelveInstance(command(on), "web1", SHELVE);
    on.machine.listening = [WEB];
    await expect(unshelveInstance(command(on), "web1")).rejects.toThrow(taken);
    expect(on.machine.domains.size).toBe(0);
  });

  describe.each(ENDINGS)("instance set --forward, %s", (_, ending) => {
    test("leaves the old ones or the new ones, in the guest as in the record", { timeout: 600_000 }, async () => {
      const prepare = async () => {
        const on = estate();
        await create(on, { forwards: [WEB] });
        return on;
      };
      const run = (world: World) => set(world, ["8081:81"], ["8080"]);
      for (const { point, strike } of (await everyEnd(ending, { prepare, run })).ends) {
        const on = await strike();
        const next = command(on);
        await withLocks(next, ["another"], async () => {});
        expect(await examine(next), point).toEqual([]);
        const has = await recorded(on);
        expect(
          [
            [WEB, SSH],
            [SSH, port("8081:81")],
          ],
          point,
        ).toContainEqual(has);
        if (backend === "qemu") expect(open(on), point).toEqual(expect.arrayContaining(has ?? []));
        await stopInstance(next, "web1", STOP);
        await startInstance(next, "web1");
        expect(open(on), point).toEqual(has);
      }
    });
  });
});

describe.each(ENDINGS)("a start, %s,", (_, ending) => {
  const off = async () => {
    const on = newEstate();
    await create(on, { forwards: [WEB] });
    await stopInstance(command(on), "web1", STOP);
    return on;
  };
  const ways: readonly (readonly [string, () => Promise<Estate>, (world: World) => Promise<unknown>])[] = [
    ["by instance start", off, (world) => startInstance(world, "web1")],
    ["by instance create", async () => newEstate(), (world) => createInstance(world, creation(USER))],
  ];
  test.each(ways)("%s, leaves no guest that runs without its ports", async (_way, prepare, run) => {
    for (const { point, strike } of (await everyEnd(ending, { prepare, run })).ends) {
      const on = await strike();
      await withLocks(command(on), ["another"], async () => {});
      expect(await examine(command(on)), point).toEqual([]);
      const runs = [...on.machine.domains.values()].some(({ live }) => live !== null);
      expect(open(on), point).toEqual(runs ? await recorded(on) : []);
    }
  });
});

test("a port that is taken while the guest starts blocks nothing: it is named, by doctor too", async () => {
  const on = newEstate();
  await create(on, { forwards: [WEB] });
  await stopInstance(command(on), "web1", STOP);
  const world = command(on);
  const taken: World = { ...world, host: { ...world.host, tryListening: async () => "free" } };
  on.machine.listening = [WEB];
  await expect(startInstance(taken, "web1")).rejects.toThrow(expect.objectContaining({ code: "conflict" }));
  expect([...on.disk.journal]).toEqual([]);
  expect(await examine(command(on))).toMatchObject([{ remedy: "Set them." }]);
  on.machine.listening = [];
  await repair(command(on));
  expect(open(on)).toEqual([WEB, SSH]);
});

describe("what is refused", () => {
  const web2 = (change: object) => ({ ...USER, name: "web2", ...change });
  const refusals: readonly (readonly [string, object, string, string])[] = [
    ["a port of another instance, also of one that is off", { forwards: [port("0.0.0.0:8080:1")] }, "conflict", "web1"],
    ["a port of any process", { forwards: [port("3000:1")] }, "conflict", "a process of this host has it"],
    ["a port below 1024 without root", { forwards: [port("80:80")] }, "usage", "only root"],
    ["one port twice", { forwards: [port("4000:1"), port("4000:2")] }, "usage", "twice"],
    ["an address that this host has not", { forwards: [port("10.9.8.7:4000:1")] }, "usage", "no address of this host"],
    ["a forward without that network", { network: null, forwards: [port("4000:1")] }, "usage", "--forward"],
    ["an address on it", { ip: "10.0.2.9" }, "usage", "10.0.2.9"],
  ];
  test.each(refusals)("%s", async (_, change, code, words) => {
    const on = newEstate();
    await create(on, { forwards: [WEB] });
    await stopInstance(command(on), "web1", STOP);
    Object.assign(on.machine, { unprivileged: true, listening: [port("3000:1")] });
    await expect(createInstance(command(on), creation(web2(change)))).rejects.toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) }),
    );
    expect(on.machine.domains.size).toBe(1);
    expect(await wrongs(on)).toEqual([]);
  });

  test("a host on which nothing serves one: it names the package", async () => {
    const on = newEstate();
    on.machine.userBackend = null;
    await expect(create(on)).rejects.toThrow(
      expect.objectContaining({ code: "host", hint: expect.stringContaining("Debian package passt") }),
    );
  });

  test("by instance set: a port that is taken, one that does not lead there, a guest without such a network", async () => {
    const on = newEstate();
    await create(on);
    await create(on, { name: "web2", network: null });
    on.machine.listening = [port("3000:1")];
    const refused = (code: string) => expect.objectContaining({ code });
    await expect(set(command(on), ["3000:80"])).rejects.toThrow(refused("conflict"));
    await expect(set(command(on), [], ["3000"])).rejects.toThrow(refused("not_found"));
    await expect(set(command(on), ["3001:80"], [], "web2")).rejects.toThrow(refused("conflict"));
    expect(await recorded(on)).toEqual([SSH]);
    expect([...on.disk.journal]).toEqual([]);
  });
});

test("two that are made at once get ports of their own, and neither the one that a process has", async () => {
  const on = newEstate();
  on.machine.listening = [SSH];
  await Promise.all([create(on), create(on, { name: "web2" })]);
  const ports = open(on).map(({ host }) => host);
  expect(ports.sort()).toEqual([20_001, 20_002]);
});

test("what is set already is done, and a dry run tells what the monitor is told", async () => {
  const on = newEstate();
  await create(on, { forwards: [WEB] });
  const world = command(on);
  expect(await set(world, ["8080:80"])).toBeNull();
  expect(world.host.performed).toEqual([]);
  const plan = await setInstance({ ...command(on), dryRun: true }, "web1", {
    ...{ name: null, properties: {}, dropProperties: [], autostart: null, forwards: { add: [], drop: ["8080"] } },
  });
  expect(isPlan(plan) && plan.steps.map(({ title }) => title)).toEqual([
    "Set the ports that lead to it",
    "Record them",
  ]);
  expect(open(on)).toEqual([WEB, SSH]);
});

test("doctor sets what is lost when another starts the guest", async () => {
  const on = newEstate();
  await create(on, { forwards: [WEB] });
  for (const domain of on.machine.domains.values()) domain.forwards = [];
  expect(await examine(command(on))).toMatchObject([{ subject: "instance web1", remedy: "Set them." }]);
  expect(await repair(command(on))).toMatchObject([{ result: "mended" }]);
  expect(open(on)).toEqual([WEB, SSH]);
});

test("doctor defines passt's again, and records whose the definition says that they are", async () => {
  const on = passt(newEstate());
  await create(on, { forwards: [WEB] });
  await stopInstance(command(on), "web1", STOP);
  const [domain] = on.machine.domains.values();
  if (domain === undefined) throw new Error("no domain");
  domain.inactive = command(on).host.editDefinition(domain.inactive, { forwards: [] });
  expect(await repair(command(on))).toMatchObject([{ remedy: "Define them.", result: "mended" }]);
  await startInstance(command(on), "web1");
  expect(open(on)).toEqual([WEB, SSH]);
  await stopInstance(command(on), "web1", STOP);
  domain.inactive = domain.inactive.replace(/<backend type=["']passt["']\/>|<portForward.*?<\/portForward>/g, "");
  expect(await repair(command(on))).toMatchObject([{ remedy: "Record it.", result: "mended" }]);
  await startInstance(command(on), "web1");
  expect(domain.forwards).toEqual([WEB, SSH]);
});
