import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { EstratoError } from "../../../../src/errors.ts";
import { Crash } from "../../../fake/store.ts";
import { requireSound } from "../crashes.ts";
import {
  type Bed,
  command,
  creation,
  disksOf,
  everything,
  FIRST,
  start,
  stateOf,
  stop,
  take,
  UUID,
  virsh,
  withGuest,
  write,
} from "../world.ts";

async function prepared(running = true): Promise<Bed> {
  const on = withGuest({ running });
  await take(on, "s1");
  return on;
}

async function problems(on: Bed): Promise<string[]> {
  const before = everything(on);
  const found = await examine(command(on));
  expect(everything(on)).toBe(before);
  return found.map(({ subject, problem }) => `${subject}: ${problem}`);
}

/** What doctor says of one, and whether it mends it. */
async function mends(on: Bed, words: string): Promise<void> {
  expect(await problems(on)).toEqual([expect.stringContaining(words)]);
  expect((await repair(command(on))).map(({ result }) => result)).toEqual(["mended"]);
  await requireSound(on, words);
}

async function leaves(on: Bed, words: string): Promise<void> {
  expect(await problems(on)).toEqual([expect.stringContaining(words)]);
  const before = everything(on);
  expect((await repair(command(on))).map(({ result }) => result)).toEqual(["left"]);
  expect(everything(on)).toBe(before);
}

const layersOf = async (on: Bed) => Object.values((await stateOf(on)).layers);
const headOf = async (on: Bed) => (await layersOf(on)).find(({ frozen }) => !frozen)?.file ?? "";
const domainOf = (on: Bed) => on.machine.domains.get(UUID) as NonNullable<ReturnType<typeof on.machine.domains.get>>;

test("a sound estate gives doctor nothing to say", async () => {
  expect(await problems(await prepared())).toEqual([]);
});

describe("doctor mends by itself", () => {
  test.each([0o400, 0o644])("a head of the wrong mode (%i)", async (mode) => {
    const on = await prepared();
    await virsh(on, { do: "set-mode", path: await headOf(on), mode });
    await mends(on, "and should be 0600: it is a head");
  });

  test("a frozen layer that can be written", async () => {
    const on = await prepared();
    await take(on, "s2");
    const frozen = (await layersOf(on)).find((layer) => layer.frozen && layer.foreign === null);
    await virsh(on, { do: "set-mode", path: frozen?.file ?? "", mode: 0o600 });
    await mends(on, "and should be 0400: it is frozen");
  });

  test("what comes to light as it mends: the mode of a layer that was marked", async () => {
    const on = await prepared();
    await take(on, "s2");
    const frozen = (await layersOf(on)).find((layer) => layer.frozen && layer.foreign === null);
    await virsh(on, { do: "set-mode", path: frozen?.file ?? "", mode: 0o600 });
    await command(on).store.update((draft) => {
      const marked = draft.layers[frozen?.id ?? ""];
      if (marked !== undefined) marked.busy = "op-00000000000000abc";
    });
    expect(await problems(on)).toEqual([expect.stringContaining("it is marked by operation")]);
    expect((await repair(command(on))).map(({ problem, result }) => [problem, result])).toEqual([
      [expect.stringContaining("it is marked by operation"), "mended"],
      [expect.stringContaining("and should be 0400: it is frozen"), "mended"],
    ]);
    await requireSound(on, "a marked layer");
  });

  test("an empty file and an unfinished one that nothing remembers", async () => {
    const on = await prepared();
    command(on).host.addFile("/fake/estrato/layers/lay-x.qcow2");
    await mends(on, "an empty file that nothing remembers");
    command(on).host.addFile("/fake/estrato/layers/lay-y.qcow2.part", { format: "raw", content: { 0: "half" } });
    await mends(on, "nothing remembers");
  });

  test("a record that nothing remembers", async () => {
    const on = await prepared();
    await command(on).store.writeRecord("snap-gone.xml", "<domain/>");
    await mends(on, "a definition, NVRAM, TPM state or seed that nothing remembers");
  });

  test("a definition that keeps libvirt's note of the layers", async () => {
    const on = await prepared();
    domainOf(on).inactive = domainOf(on).inactive.replace("<target dev", "<backingStore/><target dev");
    await mends(on, "<backingStore>");
  });

  test("a frozen guest", async () => {
    const on = await prepared();
    domainOf(on).frozen = true;
    await mends(on, "its file systems are frozen");
    write(on, 3, "alive");
  });

  test("a domain that libvirt calls otherwise", async () => {
    const on = await prepared(false);
    await virsh(on, { do: "rename", domain: UUID, name: "web9" });
    await mends(on, "libvirt calls it web9");
    expect((await stateOf(on)).instances[UUID]?.name).toBe("web9");
  });

  test("a reservation that is gone", async () => {
    const on = await prepared();
    const address = { network: "default", mac: "52:54:00:aa:bb:cc", ip: "192.168.122.50" };
    await command(on).store.update((draft) => {
      const instance = draft.instances[UUID];
      if (instance) instance.addresses = [address];
    });
    await mends(on, "does not reserve 192.168.122.50");
  });

  test("a persistent definition that names another head, while QEMU writes to the recorded one", async () => {
    const on = await prepared();
    const disks = [{ device: "vda", path: "/disks/web1-vda.qcow2", format: "qcow2" }];
    await virsh(on, { do: "redefine", domain: UUID, disks });
    await mends(on, "the definition names /disks/web1-vda.qcow2");
  });

  test("a disk from before us that the definition has lost: it is detached, and stays a volume", async () => {
    const on = await prepared(false);
    const xml = command(on).host.editDefinition(domainOf(on).inactive, { disks: { vda: null } });
    await virsh(on, { do: "define", xml });
    await mends(on, "its definition has no disk vda");
    expect(Object.values((await stateOf(on)).volumes)).toEqual([expect.objectContaining({ instance: null })]);
  });

  test("an operation that never ended", async () => {
    const on = await prepared();
    const world = command(on);
    world.host.crashAtNext("switch-disks", "midway");
    await createSnapshot(world, creation("s2")).catch((error: unknown) => expect(error).toBeInstanceOf(Crash));
    on.disk.locks.clear();
    expect((await problems(on))[0]).toContain('"estrato test" has not ended');
    await repair(command(on));
    await stop(on);
    await start(on);
    await requireSound(on, "recovered");
  });

  test("nothing where another command works: it says so and goes on", async () => {
    const on = await prepared();
    domainOf(on).frozen = true;
    on.disk.locks.set(UUID, {});
    const said = await repair(command(on)).catch((error: unknown) => error);
    expect(said).toEqual([expect.objectContaining({ result: "left" })]);
    expect(domainOf(on).frozen).toBe(true);
  });
});

describe("doctor asks before it mends", () => {
  test("a file with data that nothing remembers", async () => {
    const on = await prepared();
    const path = "/fake/estrato/layers/lay-x.qcow2";
    command(on).host.addFile(path, { content: { 0: "somebody's" } });
    const no = command(on, { answer: false });
    expect((await repair(no)).map(({ result }) => result)).toEqual(["left"]);
    expect(no.asked[0]?.loses).toEqual([`${path}, 64 KiB`]);
    expect(on.machine.files.has(path)).toBe(true);
    await mends(on, "a file with 64 KiB that nothing remembers");
    expect(on.machine.files.has(path)).toBe(false);
  });

  test("all of it first: where nobody answers, nothing is mended; a no leaves that one alone", async () => {
    const on = await prepared();
    for (const name of ["lay-x", "lay-y"])
      command(on).host.addFile(`/fake/estrato/layers/${name}.qcow2`, { content: { 0: "somebody's" } });
    domainOf(on).frozen = true;
    const before = everything(on);
    const nobody = command(on);
    nobody.report.confirm = async () => {
      throw new EstratoError("needs_yes", "nobody can be asked");
    };
    await expect(repair(nobody)).rejects.toMatchObject({ code: "needs_yes" });
    expect(everything(on)).toBe(before);
    const no = command(on, { answer: false });
    expect((await repair(no)).map(({ result }) => result)).toEqual(["mended", "left", "left"]);
    expect(no.asked).toHaveLength(2);
    expect(domainOf(on).frozen).toBe(false);
  });

  test("a guest that is off and defined on another file", async () => {
    const on = await prepared(false);
    command(on).host.addFile("/elsewhere.qcow2", { content: { 0: "other" } });
    const disks = [{ device: "vda", path: "/elsewhere.qcow2", format: "qcow2" }];
    await virsh(on, { do: "redefine", domain: UUID, disks });
    const no = command(on, { answer: false });
    await repair(no);
    expect(no.asked[0]?.loses[0]).toContain("what /elsewhere.qcow2 holds beyond");
    await mends(on, "the definition names /elsewhere.qcow2");
    expect(await disksOf(on)).toEqual({ vda: FIRST });
    expect(on.machine.files.has("/elsewhere.qcow2")).toBe(true);
  });
});

describe("doctor cannot mend, and says what a person can do", () => {
  test("a file that is missing, with those who need it", async () => {
    const on = await prepared(false);
    on.machine.files.delete(await headOf(on));
    await leaves(on, "it is missing; instance web1 vda needs it");
  });

  test("a file that stands on another than recorded", async () => {
    const on = await prepared();
    await take(on, "s2");
    const head = on.machine.files.get(await headOf(on));
    if (head) head.backing = { path: "/disks/web1-vda.qcow2", format: "qcow2" };
    await leaves(on, "it stands on /disks/web1-vda.qcow2, recorded is");
  });

  test("nothing of a file that stands on what is recorded by another name of that", async () => {
    const on = await prepared(false);
    const head = on.machine.files.get(await headOf(on));
    const below = on.machine.files.get(head?.backing?.path ?? "");
    if (head === undefined || below === undefined) throw new Error("it stands on nothing");
    on.machine.files.set("/disks/../disks/same.qcow2", below);
    head.backing = { path: "/disks/../disks/same.qcow2", format: "qcow2" };
    expect(await examine(command(on))).toEqual([]);
  });

  test("a guest of which QEMU writes to another file", async () => {
    const on = await prepared();
    const [open] = domainOf(on).open;
    if (open) open.chain = ["/disks/web1-vda.qcow2"];
    await leaves(on, "QEMU writes to /disks/web1-vda.qcow2");
    const [{ remedy = "" } = {}] = await examine(command(on));
    expect(remedy).toContain(`virsh blockcopy web1 vda --dest ${await headOf(on)} --reuse-external`);
  });

  test("a domain that is gone", async () => {
    const on = await prepared(false);
    await virsh(on, { do: "undefine", domain: UUID, nvram: false });
    await leaves(on, `libvirt has no domain ${UUID}`);
  });
});
