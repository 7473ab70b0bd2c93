/** What estrato itself remembers is damaged: named, mended first, and nothing else is decided by what is left of it. */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { deleteSnapshot } from "../../../../src/core/snapshots/delete.ts";
import { Crash } from "../../../fake/store.ts";
import { requireSound } from "../crashes.ts";
import {
  type Bed,
  command,
  contentsOf,
  creation,
  disksOf,
  everything,
  start,
  stateOf,
  stop,
  take,
  withGuest,
  write,
} from "../world.ts";

async function prepared(): Promise<Bed> {
  const on = withGuest({ running: true });
  await take(on, "s1");
  await take(on, "s2");
  return on;
}

const namesOf = async (on: Bed) => Object.values((await stateOf(on)).snapshots).map(({ name }) => name);

describe.each([
  ["cut short", '{"version":2,"layers":{'],
  ["empty", ""],
  ["of a wrong shape", '{"version":2,"layers":[]}'],
  ["gone", null],
])("a state that is %s", (_how, text) => {
  test("is a finding, and reading it changes nothing", async () => {
    const on = await prepared();
    on.disk.state = text;
    const before = everything(on);
    expect(await examine(command(on))).toMatchObject([{ subject: "the state", mending: { loses: [] } }]);
    expect(everything(on)).toBe(before);
  });

  test("is put back with all that was reported done", async () => {
    const on = await prepared();
    const whole = await stateOf(on);
    on.disk.state = text;
    const world = command(on, { answer: false });
    expect(await repair(world)).toMatchObject([{ subject: "the state", result: "mended" }]);
    expect(world.asked).toEqual([]);
    expect(await namesOf(on)).toEqual(["s1", "s2"]);
    expect(await stateOf(on)).toEqual({ ...whole, writes: (whole.writes ?? 0) + 1 });
    await requireSound(on, "put back");
  });
});

describe("with all copies gone too", () => {
  test("what was reported done is there again by name and id, and no file is removed", async () => {
    const on = await prepared();
    const whole = await stateOf(on);
    const files = [...on.machine.files.keys()];
    on.disk.state = null;
    on.disk.copies.splice(0);
    expect(await repair(command(on))).toMatchObject([{ subject: "the state", result: "mended" }]);
    expect(await stateOf(on)).toEqual({ ...whole, writes: (whole.writes ?? 0) + 1 });
    expect([...on.machine.files.keys()]).toEqual(files);
    await requireSound(on, "rebuilt");
  });

  test("and a record too, the rest is there, and nothing is collected or removed until a person has looked", async () => {
    const on = await prepared();
    const [s1] = Object.values((await stateOf(on)).snapshots);
    on.disk.state = null;
    on.disk.copies.splice(0);
    on.disk.things.delete(`snapshots.${s1?.id}.json`);
    const files = [...on.machine.files.keys()];
    for (let times = 0; times < 2; times += 1) {
      const found = await repair(command(on));
      expect(found.filter(({ result }) => result === "left")).toMatchObject([
        { subject: "the state", remedy: expect.stringContaining("incomplete.json") },
      ]);
    }
    expect(await namesOf(on)).toEqual(["s2"]);
    expect([...on.machine.files.keys()]).toEqual(files);
  });
});

test("layers whose records are lost with all else are read again from their headers", async () => {
  const on = withGuest({ running: true });
  for (const name of ["s1", "s2", "s3"]) await take(on, name);
  const { layers, snapshots } = await stateOf(on);
  const lost = Object.values(layers).filter((layer) => layer.foreign === null);
  expect(lost.length).toBeGreaterThan(2);
  on.disk.state = null;
  on.disk.copies.splice(0);
  for (const { id } of lost) on.disk.things.delete(`layers.${id}.json`);
  await repair(command(on));
  const now = await stateOf(on);
  expect(now.snapshots).toEqual(snapshots);
  for (const layer of lost) expect(now.layers[layer.id]).toEqual({ ...layer, createdAt: expect.any(String) });
});

test("a state that is older than what was stored last is refused, and rolled forward", async () => {
  const on = withGuest({ running: true });
  await take(on, "s1");
  const older = on.disk.state;
  await take(on, "s2");
  const last = await stateOf(on);
  on.disk.state = older;
  await expect(take(on, "s3")).rejects.toMatchObject({ code: "integrity" });
  expect(await repair(command(on))).toMatchObject([{ subject: "the state", result: "mended" }]);
  expect(await stateOf(on)).toEqual({ ...last, writes: (last.writes ?? 0) + 1 });
  await requireSound(on, "rolled forward");
});

test("a state of which no good copy is left stays lost, and no file is taken for one that nothing remembers", async () => {
  const on = await prepared();
  on.disk.state = "{half";
  on.disk.copies.fill("{half");
  on.disk.things.clear();
  const before = everything(on);
  expect(await repair(command(on))).toMatchObject([{ subject: "the state", result: "left" }]);
  expect(everything(on)).toBe(before);
});

describe("an entry of the journal that cannot be read", () => {
  async function torn(): Promise<{ on: Bed; id: string; heads: string[] }> {
    const on = await prepared();
    const world = command(on);
    world.host.crashAtNext("switch-disks", "before");
    await createSnapshot(world, creation("s3")).catch((error: unknown) => expect(error).toBeInstanceOf(Crash));
    on.disk.locks.clear();
    const [[id, text] = ["", ""]] = [...on.disk.journal];
    on.disk.journal.set(id, text.slice(0, -10));
    const heads = [...on.machine.files.keys()].filter(
      (path) => path.includes("/layers/") && !on.disk.state?.includes(path),
    );
    expect(heads).toHaveLength(1);
    return { on, id, heads };
  }

  test("stops what changes something, and is a finding", async () => {
    const { on, id } = await torn();
    await expect(take(on, "s4")).rejects.toMatchObject({ code: "integrity" });
    const before = everything(on);
    const found = await examine(command(on));
    expect(found[0]).toMatchObject({ subject: `journal entry ${id}.json`, problem: expect.stringContaining("cannot") });
    expect(everything(on)).toBe(before);
  });

  test("is put aside by a repair, and what it had begun goes where it holds nothing", async () => {
    const { on, id, heads } = await torn();
    const world = command(on);
    expect(await repair(world)).toContainEqual(
      expect.objectContaining({ subject: `journal entry ${id}.json`, result: "mended" }),
    );
    expect(on.disk.aside.has(`${id}.json`)).toBe(true);
    for (const head of heads) expect(on.machine.files.has(head)).toBe(false);
    expect(await repair(command(on))).toEqual([]);
    await take(on, "s4");
    await stop(on);
    await start(on);
    await requireSound(on, "put aside");
    expect(await namesOf(on)).toEqual(["s1", "s2", "s4"]);
  });

  test("keeps what it names no longer than it lies there", async () => {
    const { on, heads } = await torn();
    for (const head of heads) on.machine.files.get(head)?.clusters.set(5, "written");
    await repair(command(on, { answer: false }));
    for (const head of heads) expect(on.machine.files.has(head)).toBe(true);
    on.disk.aside.clear();
    on.disk.copies.splice(0, on.disk.copies.length - 1);
    await repair(command(on));
    for (const head of heads) expect(on.machine.files.has(head)).toBe(false);
  });

  test.each(["rebase", "commit"] as const)(
    "of a merge (%s) marks its layers no longer than to the repair, and all reads as it did",
    async (action) => {
      const on = withGuest({ running: true });
      for (const [index, name] of ["s1", "s2", "s3"].entries()) {
        write(on, 3 + index, name);
        if (name === (action === "rebase" ? "s3" : "s2")) for (const cluster of [7, 8, 9]) write(on, cluster, "heavy");
        await take(on, name);
      }
      await stop(on);
      const held = await disksOf(on);
      const s3 = Object.values((await stateOf(on)).snapshots).find(({ name }) => name === "s3");
      const kept = await contentsOf(on, s3?.id ?? "");
      const dying = command(on);
      dying.host.crashAtNext(action, "midway");
      const deleting = deleteSnapshot(dying, "web1/s2", { children: false });
      await deleting.catch((error: unknown) => expect(error).toBeInstanceOf(Crash));
      on.disk.locks.clear();
      for (const [id, text] of on.disk.journal) on.disk.journal.set(id, text.slice(0, -10));
      const marked = async () => Object.values((await stateOf(on)).layers).filter(({ busy }) => busy !== null);
      expect(await marked()).toHaveLength(2);
      await repair(command(on));
      expect(await marked()).toEqual([]);
      expect(await disksOf(on)).toEqual(held);
      expect(await contentsOf(on, s3?.id ?? "")).toEqual(kept);
      await take(on, "s4");
    },
  );
});

describe("an entry of the journal that can be read, but for what its operation remembers", () => {
  const spoilt = async (change: (data: Record<string, unknown>) => unknown) => {
    const on = await prepared();
    write(on, 4, "later");
    await stop(on);
    const world = command(on);
    world.host.crashAtNext("rebase", "midway");
    await expect(deleteSnapshot(world, "web1/s2", { children: false })).rejects.toBeInstanceOf(Crash);
    on.disk.locks.clear();
    const [[id = "", text = ""] = []] = [...on.disk.journal];
    const entry = JSON.parse(text);
    on.disk.journal.set(id, JSON.stringify({ ...entry, ...(change(entry) as object) }));
    return { on, id, kind: entry.kind };
  };

  test("is named, and put aside; its guest goes on", async () => {
    const { on, id, kind } = await spoilt(() => ({ data: { decision: "none" } }));
    expect(kind).toBe("layer.merge");
    await expect(createSnapshot(command(on), creation("s3"))).rejects.toMatchObject({ code: "integrity" });
    expect((await examine(command(on))).map(({ subject }) => subject)).toContain(`journal entry ${id}.json`);
    const done = await repair(command(on, { answer: false }));
    expect(done).toContainEqual(expect.objectContaining({ subject: `journal entry ${id}.json`, result: "mended" }));
    expect([...on.disk.journal.keys()]).toEqual([]);
    expect([...on.disk.aside.keys()]).toEqual([`${id}.json`]);
    await start(on);
    expect((await disksOf(on)).vda).toMatchObject({ 4: "later" });
    await take(on, "s3");
  });

  test("is left for the version that wrote it, where that is a newer one, and named with all else", async () => {
    const { on, id } = await spoilt(() => ({ version: 99 }));
    expect((await examine(command(on))).map(({ subject }) => subject)).toContain(`operation ${id}`);
    await repair(command(on));
    expect([...on.disk.journal.keys()]).toEqual([id]);
  });
});
