import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type Store } from "../../../src/store/index.ts";
import { fakeClock } from "../../fake/clock.ts";
import { keypair } from "./samples.ts";

let root: string;
let home: string;
let store: Store;
const clock = fakeClock("2025-06-01T10:00:00.000Z");

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "estrato-state-"));
  home = join(root, "home");
  store = openStore({ home, systemMode: false, now: clock.now });
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const stateFile = (): string => join(home, "state.json");
const copies = (): string[] => readdirSync(join(home, "state")).sort();

/** A further keypair, so that every update changes something. */
async function add(name: string): Promise<void> {
  await store.update((draft) => {
    draft.keypairs[name] = keypair(name);
  });
}

const DAMAGE = [
  ["empty", ""],
  ["cut short", '{"version":2,"layers":{'],
  ["no object", "[]"],
  ["zeroes", "\0".repeat(100)],
  ["without a version", "{}"],
  ["of a wrong shape", '{"version":2,"layers":[]}'],
] as const;

describe("state.json", () => {
  it("of an older version has what came since, deep down too, and keeps what nobody knows", async () => {
    const image = {
      id: "img-1",
      name: "golden",
      type: "base",
      visibility: "private",
      disks: [],
      minDiskBytes: 0,
      minRamBytes: 0,
    };
    const rest = {
      definition: null,
      nvram: null,
      owner: "ana",
      createdAt: "2025-01-01T00:00:00.000Z",
      protected: false,
    };
    const source = { kind: "file", id: null, name: "golden.qcow2" };
    await add("a");
    const older = JSON.parse(readFileSync(stateFile(), "utf8"));
    older.version = 1;
    for (const key of ["bookmarks", "targets"]) delete older[key];
    older.images = { "img-1": { ...image, ...rest, source, properties: {}, note: "mine" } };
    writeFileSync(stateFile(), JSON.stringify(older));
    const state = await store.read();
    expect(state).toMatchObject({ bookmarks: {}, targets: {} });
    expect(state.images["img-1"]).toMatchObject({ tpm: null, uefi: false, note: "mine" });
  });

  it("is made by the first write, not by a read", async () => {
    await store.read();
    await store.journal.list();
    await store.listRecords();
    await store.events.list();
    expect(existsSync(home)).toBe(false);
    await add("a");
    expect(statSync(stateFile()).mode & 0o777).toBe(0o600);
  });

  it("is not written again where a change changes nothing", async () => {
    await add("a");
    const { ino } = statSync(stateFile());
    await add("a");
    expect(statSync(stateFile()).ino).toBe(ino);
  });

  it("keeps dotted names as they are", async () => {
    await add("a.b.c");
    expect(Object.keys((await store.read()).keypairs)).toEqual(["a.b.c"]);
  });

  it("is written though a killed writer left its own files", async () => {
    await add("a");
    const before = readdirSync(home);
    // The last two are of versions that wrote in another way
    for (const name of [".state.json.4711-1.tmp", "state.next.json", "state.next.json.tmp-1234567890abcdef"])
      writeFileSync(join(home, name), "{half");
    await add("b");
    expect(Object.keys((await store.read()).keypairs)).toEqual(["a", "b"]);
    expect(readdirSync(home)).toEqual(before);
  });

  it.each(DAMAGE)("when %s is reported, and never written over", async (_kind, text) => {
    await add("a");
    writeFileSync(stateFile(), text);
    const damage = { code: "integrity", hint: expect.stringContaining("estrato doctor --repair") };
    await expect(store.read()).rejects.toMatchObject(damage);
    await expect(add("b")).rejects.toMatchObject(damage);
    expect(readFileSync(stateFile(), "utf8")).toBe(text);
  });

  it("when gone, with its copies there, is reported as damage and not taken for a first use", async () => {
    await add("a");
    rmSync(stateFile());
    await expect(store.read()).rejects.toMatchObject({ code: "integrity" });
    await expect(add("b")).rejects.toMatchObject({ code: "integrity" });
    expect(existsSync(stateFile())).toBe(false);
  });

  it("when no file at all is reported", async () => {
    await add("a");
    rmSync(stateFile());
    symlinkSync(home, stateFile());
    await expect(store.read()).rejects.toMatchObject({ code: "integrity" });
  });
});

describe("the last good copies", () => {
  it("are the five newest, in an order that a clock going back does not change", async () => {
    for (const name of ["a", "b", "c", "d", "e", "f", "g"]) {
      clock.advance(-1000);
      await add(name);
    }
    const numbers = copies().map((name) => name.slice(0, 12));
    expect(numbers).toEqual(["000000000003", "000000000004", "000000000005", "000000000006", "000000000007"]);
    const newest = readFileSync(join(home, "state", copies().at(-1) ?? ""), "utf8");
    expect(newest).toBe(readFileSync(stateFile(), "utf8"));
    for (const name of copies()) expect(statSync(join(home, "state", name)).mode & 0o777).toBe(0o600);
  });

  it.each(DAMAGE)("bring back every finished update when the state is %s", async (_kind, text) => {
    await add("a");
    await add("b");
    const good = await store.read();
    writeFileSync(stateFile(), text);
    const restored = await store.restoreLastGood();
    expect(restored.from).toMatch(/000000000002-.*\.json$/);
    expect(readFileSync(restored.damagedFile ?? "", "utf8")).toBe(text);
    expect(await store.read()).toEqual({ ...good, writes: 3 });
    expect(await store.doubt()).toBeNull();
  });

  it("bring back a state that is gone", async () => {
    await add("a");
    const good = await store.read();
    rmSync(stateFile());
    expect(await store.restoreLastGood()).toMatchObject({ damagedFile: null });
    expect(await store.read()).toEqual({ ...good, writes: 2 });
  });

  it("are passed over where they are damaged themselves", async () => {
    await add("a");
    const first = await store.read();
    await add("b");
    writeFileSync(join(home, "state", copies().at(-1) ?? ""), "{half");
    writeFileSync(stateFile(), "");
    rmSync(join(home, "things"), { recursive: true });
    await store.restoreLastGood();
    expect(await store.read()).toEqual({ ...first, writes: 3 });
    // What was stored after it nobody knows any more
    expect(await store.doubt()).toBe(join(home, "incomplete.json"));
  });

  it("leave the damaged file alone where none of them is good", async () => {
    await add("a");
    for (const name of copies()) writeFileSync(join(home, "state", name), "");
    writeFileSync(stateFile(), "{half");
    rmSync(join(home, "things"), { recursive: true });
    await expect(store.restoreLastGood()).rejects.toMatchObject({ code: "integrity" });
    expect(readFileSync(stateFile(), "utf8")).toBe("{half");
  });

  it("are not harmed by whoever damages state.json in place", async () => {
    await add("a");
    expect(statSync(join(home, "state", copies()[0] ?? "")).ino).not.toBe(statSync(stateFile()).ino);
    expect(statSync(stateFile()).nlink).toBe(1);
  });
});
