/** What stands on another user's files, and nobody said that he is trusted: a repair pulls in what it reads there. */
import { beforeEach, describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { findings } from "../../../../src/core/graph/invariants.ts";
import { stopInstance } from "../../../../src/core/instances/stop.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { Crash } from "../../../fake/store.ts";
import { ENDINGS } from "../ends.ts";
import { SECRET, standing, swapUnder } from "./lender.ts";
import { ALICE, as, BOB, endEverywhere, GOLDEN, type Hosted, next, stateOf, storeOf, TOP } from "./world.ts";

const options = {
  instance: "web1",
  name: "s1",
  quiesce: "off",
  excludeDisks: [],
  description: null,
  properties: {},
  expiresAt: null,
  protect: false,
} as const;

const GOLD = { 0: `of ${TOP}` };
const HELD = { ...GOLD, 1: "bob's" };

const borrowed = async (on: Hosted) =>
  Object.values((await stateOf(on, BOB)).layers).filter((layer) => layer.borrowed !== undefined);
const marks = ({ machine }: Hosted) =>
  [...machine.files.keys()].filter((path) => path.startsWith(`${storeOf(ALICE)}/shares/${GOLDEN}/`));
const hers = ({ machine }: Hosted) =>
  JSON.stringify([...machine.files].filter(([path]) => path.startsWith(`${storeOf(ALICE)}/layers/`)));
const domain = (on: Hosted) => [...on.machine.domains.values()][0];
const did = (world: ReturnType<typeof as>, what: string) =>
  world.host.performed.filter((one) => one.do === what).length;

const stop = (on: Hosted) => stopInstance(as(on, BOB), "web1", { force: true, timeoutMs: 1000, wait: true });
const virsh = (on: Hosted, what: "start" | "destroy") =>
  as(on, BOB).host.perform(
    what === "start" ? { do: what, domain: "web1", paused: false } : { do: what, domain: "web1" },
  );

/** bob's web1, which has written something, with a snapshot and running or not. */
async function web1({ snapshot = false, running = true } = {}): Promise<Hosted> {
  const on = await standing();
  as(on, BOB).host.guestWrite("web1", "vda", 1, "bob's");
  if (snapshot) await createSnapshot(as(on, BOB), options);
  if (!running) await stop(on);
  return on;
}

async function contents(on: Hosted): Promise<{ guest: unknown; snapshots: unknown[] }> {
  const { host, store } = as(on, BOB);
  const { layers, volumes, snapshots } = await store.read();
  const [disk] = Object.values(volumes);
  const read = (layer: string) => host.read(layers[layer]?.file ?? "");
  const guest = domain(on)?.live == null ? read(disk?.head ?? "") : host.guestRead("web1", "vda");
  return { guest, snapshots: Object.values(snapshots).map(({ disks }) => read(disks[0]?.layer ?? "")) };
}

describe("a repair", () => {
  let on: Hosted;

  test("lets a running guest take in what its QEMU has open, and tells the lender", async () => {
    on = await web1();
    const before = hers(on);
    expect((await examine(as(on, BOB))).map(({ remedy }) => remedy)).toEqual(["Pull in what it holds."]);
    const bob = as(on, BOB);
    expect(await repair(bob)).toMatchObject([{ result: "mended" }]);
    expect([did(bob, "block-pull"), did(bob, "convert"), bob.asked]).toEqual([1, 0, []]);
    expect([await borrowed(on), marks(on), hers(on)]).toEqual([[], [], before]);
    swapUnder(on);
    expect(await contents(on)).toEqual({ guest: HELD, snapshots: [] });
    expect(await examine(as(on, BOB))).toEqual([]);
  });

  test("copies the files under what is off, snapshots too, and reads none of them in any format", async () => {
    on = await web1({ snapshot: true, running: false });
    const before = hers(on);
    const bob = as(on, BOB);
    expect(await repair(bob)).toMatchObject([{ result: "mended" }]);
    const reads = bob.host.performed.flatMap((one) => (one.do === "convert" ? [one.fromFormat] : []));
    expect(reads).toEqual(["raw", "raw"]);
    expect([await borrowed(on), marks(on), hers(on)]).toEqual([[], [], before]);
    swapUnder(on);
    expect(await contents(on)).toEqual({ guest: HELD, snapshots: [HELD] });
    await virsh(on, "start");
    expect(as(on, BOB).host.guestRead("web1", "vda")).toEqual(HELD);
    expect(await examine(as(on, BOB))).toEqual([]);
  });

  test("does the same for a volume of nobody's", async () => {
    on = await standing("volume");
    expect(await repair(as(on, BOB))).toMatchObject([{ result: "mended" }]);
    expect([await borrowed(on), marks(on)]).toEqual([[], []]);
    expect((await contents(on)).guest).toEqual(GOLD);
    expect(await examine(as(on, BOB))).toEqual([]);
  });

  test("lets a running guest's head, which stands on a snapshot's layer, take in all, and copies the files under that", async () => {
    on = await web1({ snapshot: true });
    const bob = as(on, BOB);
    expect(await repair(bob)).toMatchObject([{ result: "mended" }]);
    expect([did(bob, "block-pull"), did(bob, "convert")]).toEqual([1, 2]);
    expect(domain(on)?.open[0]?.chain).toHaveLength(1);
    expect([await borrowed(on), marks(on)]).toEqual([[], []]);
    swapUnder(on);
    expect(await contents(on)).toEqual({ guest: HELD, snapshots: [HELD] });
    expect(await examine(as(on, BOB))).toEqual([]);
  });

  test("leaves a guest in which something else is at work, and says so", async () => {
    on = await web1({ snapshot: true });
    const { layers } = await stateOf(on, BOB);
    Object.assign(domain(on) ?? {}, { checkpoints: ["theirs"] });
    const bob = as(on, BOB);
    expect(await repair(bob)).toMatchObject([{ result: "left" }]);
    expect(bob.notes.join()).toContain("libvirt holds checkpoints. Stop first: instance web1 vda.");
    expect((await stateOf(on, BOB)).layers).toEqual(layers);
  });

  describe("of one who changes his files, or where they do not fit", () => {
    const unchanged = async (found: RegExp, work: (bob: ReturnType<typeof as>) => void) => {
      const [state, files] = [await stateOf(on, BOB), [...on.machine.files.keys()].sort()];
      const bob = as(on, BOB);
      work(bob);
      expect(await repair(bob)).toMatchObject([{ result: "left" }]);
      expect(bob.notes.join()).toMatch(found);
      expect((await stateOf(on, BOB)).layers).toEqual(state.layers);
      expect([...on.machine.files.keys()].sort()).toEqual(files);
    };

    beforeEach(async () => {
      on = await web1({ running: false });
    });

    test("between the look and the copy refuses the copy, and changes nothing", async () => {
      await unchanged(/does not stand on/, ({ host }) => {
        const { perform } = host;
        host.perform = async (action, how) => {
          if (action.do === "convert") swapUnder(on);
          return perform(action, how);
        };
      });
    });

    test("before the guest was started, by something else than estrato, and back since, pulls in nothing", async () => {
      await virsh(on, "start");
      const opened = domain(on)?.open[0];
      if (opened) Object.assign(opened, { chain: [...opened.chain.slice(0, -1), SECRET] });
      await unchanged(/QEMU has .*secret\.qcow2 open, and what was lent is/, () => undefined);
    });

    test.each(["start", "leave off"])("pulls in nothing where there is no room (%s the guest)", async (first) => {
      if (first === "start") await virsh(on, "start");
      await unchanged(/copying image golden: needs/, () => {
        on.machine.freeBytes = 2 ** 20;
      });
    });

    test("and shares them no longer says what to do", async () => {
      on.machine.files.delete(`${storeOf(ALICE)}/shares/${GOLDEN}.json`);
      expect(await repair(as(on, BOB))).toMatchObject([{ result: "left", remedy: "Ask alice to share it again." }]);
    });
  });
});

test("a guest that is started while the files are copied goes on as it is", async () => {
  const on = await web1({ running: false });
  const bob = as(on, BOB);
  const { perform } = bob.host;
  bob.host.perform = async (action, how) => {
    await perform(action, how);
    if (action.do === "convert" && domain(on)?.live == null) await virsh(on, "start");
  };
  expect(await repair(bob)).toMatchObject([{ result: "left" }]);
  expect(bob.notes.join()).toContain("it was started meanwhile");
  expect((await contents(on)).guest).toEqual(HELD);
  expect(await repair(as(on, BOB))).toMatchObject([{ result: "mended" }]);
  expect((await contents(on)).guest).toEqual(HELD);
});

test("a head that QEMU died on before all was written, and that was started since, must stop, and then reads right", async () => {
  const on = await web1({ snapshot: true });
  await expect(repair(as(on, BOB, { crash: { at: "action", index: 0, phase: "midway" } }))).rejects.toThrow(Crash);
  for (const job of domain(on)?.jobs ?? []) job.lose();
  await virsh(on, "destroy");
  await virsh(on, "start");
  as(on, BOB).host.guestWrite("web1", "vda", 2, "since");
  const { notes } = await next(on, BOB);
  expect(notes.join()).toContain("QEMU died while it took in what it stood on");
  await virsh(on, "destroy");
  expect(await repair(as(on, BOB))).toMatchObject([{ result: "mended" }]);
  expect(await contents(on)).toEqual({ guest: { ...HELD, 2: "since" }, snapshots: [HELD] });
  expect(await examine(as(on, BOB))).toEqual([]);
});

const switches = (on: Hosted) => virsh(on, domain(on)?.live == null ? "start" : "destroy");
const MEANWHILE: Record<string, (on: Hosted) => Promise<unknown>> = {
  "nothing happens": async () => undefined,
  "it is switched on or off": switches,
  "its job ends": async (on) => {
    for (const job of domain(on)?.jobs ?? []) job.finish();
    Object.assign(domain(on) ?? {}, { jobs: [] });
  },
  "its QEMU dies": async (on) => {
    for (const job of domain(on)?.jobs ?? []) job.lose();
    if (domain(on)?.live != null) await virsh(on, "destroy");
  },
};

describe.each(ENDINGS)("a repair, %s", { timeout: 300_000 }, (_, ending) => {
  const power = ["nothing happens", "it is switched on or off"];
  // By turns where there are many ends: every happening comes after each kind of them.
  const scenes = [
    ["of a running guest", () => web1(), Object.keys(MEANWHILE), Object.keys(MEANWHILE).length],
    ["of one that has a snapshot", () => web1({ snapshot: true }), Object.keys(MEANWHILE), 1],
    ["of a guest that is off", () => web1({ running: false }), power, 1],
    ["of a snapshot's layer", () => web1({ snapshot: true, running: false }), power, 1],
  ] as const;
  test.each(scenes)("%s, loses nothing, and the next one ends it", async (_name, prepare, happenings, rounds) => {
    const promised = await contents(await prepare());
    for (let round = 0; round < rounds; round += 1) {
      let turn = round;
      await endEverywhere(ending, prepare, BOB, repair, async (on, point) => {
        const what = happenings[turn % happenings.length] ?? "";
        turn += 1;
        await MEANWHILE[what]?.(on);
        const { notes } = await next(on, BOB);
        const said = `${point}; ${what}\n${notes.join("\n")}`;
        expect(await contents(on), said).toEqual(promised);
        expect([...(on.disks.get("bob")?.journal.keys() ?? [])], said).toEqual([]);
        const state = await stateOf(on, BOB);
        expect(findings(state), said).toEqual([]);
        expect(Object.values(state.layers).filter(({ busy }) => busy !== null)).toEqual([]);
        expect(marks(on), said).toEqual((await borrowed(on)).map((layer) => layer.borrowed?.marker));
        const last = as(on, BOB);
        await repair(last);
        expect(await examine(as(on, BOB)), `${said}\n${last.notes.join("\n")}`).toEqual([]);
        expect([await borrowed(on), marks(on)], said).toEqual([[], []]);
        swapUnder(on);
        expect(await contents(on), said).toEqual(promised);
        const files = [...on.machine.files.keys()].filter((path) => path.startsWith(`${storeOf(BOB)}/layers/`));
        const layers = Object.values((await stateOf(on, BOB)).layers).map(({ file }) => file);
        expect(files.filter((path) => path.includes(".qcow2")).sort(), said).toEqual(layers.sort());
      });
    }
  });
});
