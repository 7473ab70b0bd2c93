import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type Store } from "../../../src/store/index.ts";
import { journalEntry, keypair } from "./samples.ts";

let home: string;
let store: Store;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "estrato-things-"));
  store = openStore({ home, systemMode: false });
});
afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

const add = (name: string) =>
  store.update((draft) => {
    draft.keypairs[name] = keypair(name);
  });
const remove = (name: string) =>
  store.update((draft) => {
    delete draft.keypairs[name];
  });
const things = () => readdirSync(join(home, "things")).sort();
const keypairFiles = () => things().filter((name) => name.startsWith("keypairs."));
const header = () => JSON.parse(readFileSync(join(home, "things", "store.json"), "utf8"));
const recordOf = (name: string) => JSON.parse(readFileSync(join(home, "things", `keypairs.${name}.json`), "utf8"));
const lose = (...names: string[]) => {
  for (const name of names) rmSync(join(home, name), { recursive: true });
};

/** The state is put together, and what it had but for the number of its write is as it was. */
async function comesBack(): Promise<void> {
  const before = await store.read();
  lose("state.json", "state");
  await expect(store.read()).rejects.toMatchObject({ code: "integrity", hint: expect.stringContaining("--repair") });
  expect((await store.restoreLastGood()).from).toContain("what is kept of each thing");
  expect(await store.read()).toEqual({ ...before, writes: (before.writes ?? 0) + 1 });
  expect(await store.doubt()).toBeNull();
}

describe("the records of things", () => {
  it("are a file for each, which comes and goes with it", async () => {
    await add("a");
    await add("b");
    expect(keypairFiles()).toEqual(["keypairs.a.json", "keypairs.b.json"]);
    expect(header()).toMatchObject({ writes: 2, rows: 7 });
    await remove("a");
    expect(keypairFiles()).toEqual(["keypairs.b.json"]);
    expect(header()).toMatchObject({ writes: 3, rows: 6 });
  });

  it("are written for what has changed alone", async () => {
    await add("a");
    const before = new Map(things().map((name) => [name, readFileSync(join(home, "things", name), "utf8")]));
    await add("b");
    const changed = things().filter((name) => before.get(name) !== readFileSync(join(home, "things", name), "utf8"));
    expect(changed).toEqual(["keypairs.b.json", "store.json"]);
  });

  it.each(["a/b", "..", "__proto__", "ä".repeat(300), "\ud800"])("take any name (%j)", async (name) => {
    await add(name);
    await comesBack();
    await remove(name);
    expect(keypairFiles()).toEqual([]);
  });

  it("bring back the state where all else is gone, and what no table holds", async () => {
    await add("a");
    await store.update((draft) => Object.assign(draft, { storeId: "store-1", later: { a: 1 } }));
    await comesBack();
    expect(await store.read()).toMatchObject({ storeId: "store-1", later: { a: 1 } });
  });

  it("bring back what they hold where their header is gone, too, and that something may be missing is said", async () => {
    await add("a");
    const before = await store.read();
    lose("state.json", "state", join("things", "store.json"));
    expect((await store.restoreLastGood()).from).toContain("what is kept of each thing");
    expect(await store.read()).toEqual({ ...before, writes: expect.any(Number) });
    expect(await store.doubt()).not.toBeNull();
  });

  it("come to a store of before there were any with its next write", async () => {
    await add("a");
    lose("things");
    await openStore({ home, systemMode: false }).update((draft) => {
      draft.keypairs.b = keypair("b");
    });
    expect(keypairFiles()).toEqual(["keypairs.a.json", "keypairs.b.json"]);
    await comesBack();
  });

  it("are put right by the next write where a killed one left them old", async () => {
    await add("a");
    await add("gone");
    const old = new Map(things().map((name) => [name, readFileSync(join(home, "things", name), "utf8")]));
    await remove("gone");
    await add("b");
    lose("things");
    mkdirSync(join(home, "things"));
    for (const [name, text] of old) writeFileSync(join(home, "things", name), text);
    await add("c");
    expect(keypairFiles()).toEqual(["keypairs.a.json", "keypairs.b.json", "keypairs.c.json"]);
    await comesBack();
  });

  it("that were damaged or lost are made anew by a repair", async () => {
    await add("a");
    await add("b");
    writeFileSync(join(home, "things", "keypairs.a.json"), "{half");
    lose("things/keypairs.b.json");
    expect(await store.restoreLastGood()).toEqual({ from: null, damagedFile: null });
    await comesBack();
  });

  it("of later writes than the state that took their place are numbered anew, and are complete", async () => {
    for (const name of ["a", "b", "c"]) await add(name);
    lose("state.json", "state", join("things", "store.json"));
    store = openStore({ home, systemMode: false });
    await store.restoreLastGood(); // with no number to go on from
    expect(recordOf("c").writes).toBeLessThanOrEqual(header().writes);
    rmSync((await store.doubt()) ?? ""); // a person has looked
    await comesBack();
  });

  describe("where somebody has changed state.json, and left its number as it was,", () => {
    const fresh = () => openStore({ home, systemMode: false });
    const edit = () => {
      const file = join(home, "state.json");
      writeFileSync(file, readFileSync(file, "utf8").replaceAll('"name":"a"', '"name":"edited"'));
    };
    const comesBackAs = async (name: string) => {
      expect((await fresh().restoreLastGood()).from).not.toBeNull();
      expect((await fresh().read()).keypairs.a?.name).toBe(name);
      expect(await fresh().doubt()).toBeNull();
    };

    it.each([
      ["a small one", 1],
      ["a large one", 1000],
    ])("are those of what it says with the next write: %s", async (_, count) => {
      await store.update((draft) => {
        for (let index = 0; index < count; index += 1) draft.keypairs[`k${index}`] = keypair(`k${index}`);
        draft.keypairs.a = keypair("a");
      });
      expect(header().sum === undefined).toBe(count === 1);
      edit();
      await fresh().update((draft) => {
        draft.keypairs.b = keypair("b");
      });
      lose("state.json", "state");
      await comesBackAs("edited");
    });

    it("are, and its copy is, with a repair", async () => {
      await add("a");
      edit();
      await fresh().restoreLastGood();
      expect(recordOf("a").row.name).toBe("edited");
      lose("state.json");
      await comesBackAs("edited");
    });
  });

  it("that say something else than the state are made anew by a repair, which changes nothing else", async () => {
    await add("a");
    const sound = readFileSync(join(home, "things", "keypairs.a.json"), "utf8");
    const before = readFileSync(join(home, "state.json"));
    writeFileSync(join(home, "things", "keypairs.a.json"), sound.replace('"name": "a"', '"name": "z"'));
    await openStore({ home, systemMode: false }).restoreLastGood();
    expect(readFileSync(join(home, "things", "keypairs.a.json"), "utf8")).toBe(sound);
    expect(readFileSync(join(home, "state.json"))).toEqual(before);
  });

  it("tell that the state is older than what was stored last", async () => {
    await add("a");
    const older = readFileSync(join(home, "state.json"), "utf8");
    for (const name of ["b", "c"]) await add(name);
    writeFileSync(join(home, "state.json"), older);
    await expect(store.read()).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringContaining("write 1"),
    });
    await expect(add("d")).rejects.toMatchObject({ code: "integrity" });
    const { damagedFile } = await store.restoreLastGood();
    expect(readFileSync(damagedFile ?? "", "utf8")).toBe(older);
    expect(Object.keys((await store.read()).keypairs)).toEqual(["a", "b", "c"]);
    expect(await store.doubt()).toBeNull();
  });

  it("add to an older copy what came since, and nothing is lost of the copy where some are missing", async () => {
    for (const name of ["a", "b", "c"]) await add(name);
    const copies = readdirSync(join(home, "state")).sort();
    writeFileSync(join(home, "state", copies.at(-1) ?? ""), "");
    lose("state.json", "things/keypairs.a.json");
    await store.restoreLastGood();
    expect(Object.keys((await store.read()).keypairs)).toEqual(["a", "b", "c"]);
    expect(await store.doubt()).toBe(join(home, "incomplete.json"));
  });

  it("that nobody can read are put aside, and not removed", async () => {
    await add("a");
    await add("b");
    writeFileSync(join(home, "things", "keypairs.b.json"), "{half");
    lose("state.json", "state");
    await store.restoreLastGood();
    expect(Object.keys((await store.read()).keypairs)).toEqual(["a"]);
    expect(readFileSync(join(home, "things", "damaged", "keypairs.b.json"), "utf8")).toBe("{half");
    expect((await store.stateCopies()).map(({ text }) => text)).toContain("{half");
    expect(await store.doubt()).not.toBeNull();
  });

  it("that cannot be written fail no update, and follow with the next", async () => {
    await add("a");
    lose("things");
    writeFileSync(join(home, "things"), "in the way");
    await add("b");
    expect(Object.keys((await store.read()).keypairs)).toEqual(["a", "b"]);
    lose("things");
    store = openStore({ home, systemMode: false });
    await add("c");
    await comesBack();
  });
});

describe("a store with no state, no copy and no record", () => {
  const layer = "lay-0123456789abcdef0";

  it("is not taken for an unused one where a layer lies in it, and nothing is made of nothing", async () => {
    await add("a");
    lose("state.json", "state", "things");
    writeFileSync(join(home, "layers", `${layer}.qcow2`), "");
    store = openStore({ home, systemMode: false });
    await expect(store.read()).rejects.toMatchObject({ code: "integrity", message: expect.stringContaining(layer) });
    await expect(add("b")).rejects.toMatchObject({ code: "integrity" });
    await expect(store.restoreLastGood()).rejects.toMatchObject({ code: "integrity" });
  });

  it("is one where the layer is of an operation that has not ended", async () => {
    await store.journal.open({ ...journalEntry("op-00000000000000001"), data: { layer } });
    writeFileSync(join(home, "layers", `${layer}.qcow2`), "");
    expect(Object.keys((await store.read()).keypairs)).toEqual([]);
  });
});
