/** What estrato itself remembers is damaged: named, mended first, and nothing else is decided by what is left of it. */
import { describe, expect, test } from "vitest";
import { examine, repair } from "../../../../src/core/doctor/doctor.ts";
import { createSnapshot } from "../../../../src/core/snapshots/create.ts";
import { Crash } from "../../../fake/store.ts";
import { requireSound } from "../crashes.ts";
import { type Bed, command, creation, everything, start, stateOf, stop, take, withGuest } from "../world.ts";

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
    const whole = on.disk.state;
    on.disk.state = text;
    const world = command(on, { answer: false });
    expect(await repair(world)).toMatchObject([{ subject: "the state", result: "mended" }]);
    expect(world.asked).toEqual([]);
    expect(await namesOf(on)).toEqual(["s1", "s2"]);
    expect(on.disk.state).toBe(whole);
    await requireSound(on, "put back");
  });
});

test("a state of which no good copy is left stays lost, and no file is taken for one that nothing remembers", async () => {
  const on = await prepared();
  on.disk.state = "{half";
  on.disk.copies.fill("{half");
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

  test("is put aside by a repair, and what it names stays", async () => {
    const { on, id, heads } = await torn();
    const world = command(on);
    expect(await repair(world)).toContainEqual(
      expect.objectContaining({ subject: `journal entry ${id}.json`, result: "mended" }),
    );
    expect(on.disk.aside.has(`${id}.json`)).toBe(true);
    for (const head of heads) expect(on.machine.files.has(head)).toBe(true);
    expect(await repair(command(on))).toEqual([]);
    for (const head of heads) expect(on.machine.files.has(head)).toBe(true);
    await take(on, "s4");
    await stop(on);
    await start(on);
    await requireSound(on, "put aside");
    expect(await namesOf(on)).toEqual(["s1", "s2", "s4"]);
  });

  test("keeps what it names no longer than it lies there", async () => {
    const { on, heads } = await torn();
    await repair(command(on));
    on.disk.aside.clear();
    on.disk.copies.splice(0, on.disk.copies.length - 1);
    await repair(command(on));
    for (const head of heads) expect(on.machine.files.has(head)).toBe(false);
  });
});
