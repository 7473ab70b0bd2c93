import * as v from "valibot";
import { describe, expect, test } from "vitest";
import type { JournalEntry } from "../../../../src/core/model/journal.ts";
import { closeEntry } from "../../../../src/core/operations/entries.ts";
import { dataOf } from "../../../../src/core/operations/entry-data.ts";
import { kinds } from "../../../../src/core/operations/kinds.ts";
import { run } from "../../../../src/core/operations/operation.ts";
import { recoverAll } from "../../../../src/core/operations/recovery.ts";
import type { Kind } from "../../../../src/core/ports.ts";
import { NoAnswer } from "../../../../src/errors.ts";
import { type Bed, bed, command } from "../world.ts";

interface Data {
  readonly word: string;
}

const kind: Kind<Data> = {
  name: "snapshot.delete",
  version: 3,
  data: v.object({ word: v.string() }),
  older: { 2: (data) => ({ word: (data as { words: string[] }).words.join(" ") }) },
  recover: async () => "back",
};

function entry(id: number, change: Partial<JournalEntry> = {}): JournalEntry {
  return {
    id: `op-${String(id).padStart(17, "0")}`,
    kind: "snapshot.delete",
    version: 1,
    parent: null,
    locks: ["web1"],
    createdAt: `2026-01-01T00:00:0${id}.000Z`,
    command: `estrato ${id}`,
    data: { ids: [] },
    ...change,
  };
}

const openOn = (on: Bed) => [...on.disk.journal.keys()].sort().map((id) => Number(id.slice(3)));

describe("what an entry remembers", () => {
  test("is handed over as its kind writes it now", () => {
    expect(dataOf(kind, entry(1, { version: 3, data: { word: "a" } }))).toEqual({ word: "a" });
  });

  test("of an older shape is made into the shape of now", () => {
    expect(dataOf(kind, entry(1, { version: 2, data: { words: ["a", "b"] } }))).toEqual({ word: "a b" });
  });

  test.each([1, 4])("of a version that this one cannot read (%i) is refused, with what to do", (version) => {
    expect(() => dataOf(kind, entry(1, { version, data: { word: "a" } }))).toThrow(
      expect.objectContaining({ code: "integrity", hint: expect.stringContaining("run any command of that version") }),
    );
  });

  test.each([null, {}, { word: 1 }])(
    "of no such shape (%j) is refused, and nothing is recovered by guessing",
    (data) => {
      expect(() => dataOf(kind, entry(1, { version: 3, data }))).toThrow(
        expect.objectContaining({ code: "integrity" }),
      );
    },
  );
});

describe("what an entry of an older version remembers", () => {
  test.each([null, {}, { words: 1 }])("and that is not of its shape (%j) is refused", (data) => {
    expect(() => dataOf(kind, entry(1, { version: 2, data }))).toThrow(expect.objectContaining({ code: "integrity" }));
  });
});

test("a merge gives up files by what such an entry is written with, and by nothing else", async () => {
  const { data } = await kinds["layer.merge"]();
  const cleanup = (one: unknown) =>
    v.safeParse(data, { cleanup: [one] }).issues?.some((issue) => v.getDotPath(issue)?.startsWith("cleanup"));
  expect(cleanup({ do: "unlink", path: "/a" })).toBe(false);
  expect(cleanup({ do: "set-owner", path: "/a", uid: 1, gid: 2, ofLink: true })).toBe(false);
  for (const other of [{ do: "unlink", path: {} }, { do: "start", domain: "a", paused: false }, { do: "unlink" }])
    expect(cleanup(other)).toBe(true);
});

describe("a parent", () => {
  const child = (change: Partial<JournalEntry> = {}) => entry(2, { parent: entry(1).id, ...change });

  test("is not closed while a child is open", async () => {
    const on = bed();
    const { store } = command(on);
    await store.journal.open(entry(1));
    await store.journal.open(child());
    await expect(closeEntry(command(on), entry(1))).rejects.toMatchObject({ code: "integrity" });
    expect(openOn(on)).toEqual([1, 2]);
    await closeEntry(command(on), child());
    await closeEntry(command(on), entry(1));
    expect(openOn(on)).toEqual([]);
  });

  test("is recovered after its child, and not where that cannot be", async () => {
    const on = bed();
    const { store } = command(on);
    await store.journal.open(entry(1));
    await store.journal.open(child({ data: "nothing of ours" }));
    await recoverAll(command(on));
    expect(openOn(on)).toEqual([1, 2]);
    await store.journal.open(child());
    await recoverAll(command(on));
    expect(openOn(on)).toEqual([]);
  });

  test("also where a child holds locks of its own", async () => {
    const on = bed();
    const { store } = command(on);
    await store.journal.open(entry(1));
    await store.journal.open(child({ locks: ["web2"], data: "nothing of ours" }));
    await recoverAll(command(on));
    expect(openOn(on)).toEqual([1, 2]);
  });

  test("of an entry of 0.1.0, which did not say, is the older one under the same locks", async () => {
    const on = bed();
    const { store } = command(on);
    const { parent: _, ...first } = entry(1);
    const { parent: __, ...second } = entry(2, { data: "nothing of ours" });
    const { parent: ___, ...other } = entry(3, { locks: ["web2"], data: "nothing of ours" });
    for (const one of [first, second, other]) await store.journal.open(one);
    await recoverAll(command(on));
    expect(openOn(on)).toEqual([1, 2, 3]);
    await store.journal.close(second.id);
    await recoverAll(command(on));
    expect(openOn(on)).toEqual([3]);
  });

  test("waits for what a step of it began, also where that failed and could not be undone", async () => {
    const on = bed();
    const world = command(on);
    const locks = await world.store.lock(["web1"], 0);
    const recovered: string[] = [];
    let isAway = true;
    const of = (name: string): Kind<Data> => ({
      ...kind,
      recover: async () => {
        if (name === "child" && isAway) throw new Error("libvirt is away");
        recovered.push(name);
        return "back";
      },
    });
    const table = { ...kinds, "snapshot.delete": async () => of("child"), "image.create": async () => of("parent") };
    const operation = (name: string, step: () => Promise<unknown>) => ({
      kind: { ...of(name), name: name === "child" ? ("snapshot.delete" as const) : ("image.create" as const) },
      target: "web1",
      data: { word: name },
      steps: [{ id: "work", title: "Work", child: step }],
      result: async () => null,
    });
    const failing = operation("child", () => Promise.reject(new Error("no")));
    const begun = run({ ...world, kinds: table }, locks, {
      ...operation("parent", async () => null),
      steps: [{ id: "begin", title: "Begin", child: (within) => run(within, locks, failing) }],
    });
    await expect(begun).rejects.toThrow("no");
    await locks.release();
    expect({ recovered, open: on.disk.journal.size }).toEqual({ recovered: [], open: 2 });
    isAway = false;
    await recoverAll({ ...command(on), kinds: table });
    expect({ recovered, open: on.disk.journal.size }).toEqual({ recovered: ["child", "parent"], open: 0 });
  });
});

test("an operation that the host does not answer is left as it is, since it may yet be done, and recovered later", async () => {
  const on = bed();
  const world = command(on);
  const locks = await world.store.lock(["web1"], 0);
  let recoveries = 0;
  const own: Kind<Data> = {
    ...kind,
    recover: async () => {
      recoveries += 1;
      return "forward";
    },
  };
  const silent = new NoAnswer("virsh define: no answer within 300 s");
  const begun = run(world, locks, {
    kind: own,
    target: "web1",
    data: { word: "a" },
    steps: [{ id: "define", title: "Define it", run: () => Promise.reject(silent) }],
    result: async () => null,
  });
  await expect(begun).rejects.toBe(silent);
  await locks.release();
  expect({ recoveries, open: on.disk.journal.size }).toEqual({ recoveries: 0, open: 1 });
  expect(world.notes.join()).toContain("the next command");
  await recoverAll({ ...command(on), kinds: { ...kinds, "snapshot.delete": async () => own } });
  expect({ recoveries, open: on.disk.journal.size }).toEqual({ recoveries: 1, open: 0 });
});

test("every kind in the table says the name that it stands under", async () => {
  for (const [name, load] of Object.entries(kinds)) expect((await load()).name).toBe(name);
});
