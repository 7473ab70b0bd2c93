/**
 * What stands in the way of a file: a folder of its name, a file in place of its folder, a link that leads nowhere.
 * No permission is needed to see it.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { namesIn, removeDurably, syncFolder, writeDurably } from "../../../src/store/durable-file.ts";
import { events } from "../../../src/store/events.ts";
import { openStore, type Store } from "../../../src/store/index.ts";
import { openSettings } from "../../../src/store/settings.ts";
import { fakeClock } from "../../fake/clock.ts";
import { journalEntry, keypair } from "./samples.ts";

const NOW = "2025-06-01T10:00:00.000Z";
const host = (path: string) => ({ code: "host", message: expect.stringContaining(path) });

let root: string;
let home: string;
let store: Store;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "estrato-way-"));
  home = join(root, "home");
  store = openStore({ home, systemMode: false, now: fakeClock(NOW).now });
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** A pipe that nobody writes to: who opens it as a file waits for ever. */
function pipeAt(path: string): string {
  rmSync(path, { recursive: true, force: true });
  expect(spawnSync("mkfifo", [path]).status).toBe(0);
  return path;
}

/** A folder that is not empty: neither a rename nor an unlink gets past it. */
function folderAt(path: string): string {
  mkdirSync(path, { recursive: true });
  writeFileSync(join(path, "mine"), "mine");
  return path;
}

const add = (name: string) =>
  store.update((draft) => {
    draft.keypairs[name] = keypair(name);
  });

describe("a pipe in the place of a file keeps nobody waiting", () => {
  it("as the state: it is damage, and what was stored last comes back", async () => {
    await add("k1");
    pipeAt(join(home, "state.json"));
    await expect(store.read()).rejects.toMatchObject({
      code: "integrity",
      message: `${join(home, "state.json")}: damaged: it is no regular file`,
    });
    await expect(add("k2")).rejects.toMatchObject({ code: "integrity" });
    const { from, damagedFile } = await store.restoreLastGood();
    expect([from, damagedFile]).toEqual([expect.stringContaining("/state/0000"), expect.stringContaining("damaged-")]);
    expect(Object.keys((await store.read()).keypairs)).toEqual(["k1"]);
    expect((await store.stateCopies()).map(({ path }) => path)).not.toContain(damagedFile);
  });

  it("nor does a link to itself, which is as little a file", async () => {
    await add("k1");
    rmSync(join(home, "state.json"));
    symlinkSync("state.json", join(home, "state.json"));
    await expect(store.read()).rejects.toMatchObject({ code: "integrity" });
    await store.restoreLastGood();
    expect(Object.keys((await store.read()).keypairs)).toEqual(["k1"]);
  });

  it("as a journal entry: it is damage, and is set aside", async () => {
    await store.journal.open(journalEntry("op-0000000000000000a"));
    const [name = ""] = readdirSync(join(home, "journal"));
    const path = pipeAt(join(home, "journal", name));
    await expect(store.journal.list()).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringContaining(path),
    });
    await store.journal.setAside(name);
    expect(await store.journal.list()).toEqual([]);
    expect(await store.journal.aside()).toEqual([]);
  });

  it("as a record and as the log: it is told", async () => {
    await store.writeRecord("r.xml", "r");
    const record = pipeAt(join(home, "records", "r.xml"));
    await expect(store.readRecord("r.xml")).rejects.toMatchObject(host(`${record}: it is no regular file`));
    const log = pipeAt(join(home, "events.jsonl"));
    await expect(store.events.list()).rejects.toMatchObject(host(log));
  });

  it("as a copy or a thing of the state: it is passed over, and a thing is written anew", async () => {
    await add("k1");
    await add("k2");
    for (const folder of ["state", "things"])
      for (const name of readdirSync(join(home, folder))) pipeAt(join(home, folder, name));
    expect(await store.stateCopies()).toEqual([]);
    await add("k3");
    expect((await store.stateCopies()).length).toBe(1);
    rmSync(join(home, "state.json"));
    await store.restoreLastGood();
    expect(Object.keys((await store.read()).keypairs)).toEqual(["k1", "k2", "k3"]);
  });
});

describe("a file is written whole or not at all", () => {
  it("and what cannot be put in place leaves nothing behind", () => {
    const path = folderAt(join(root, "file.json"));
    expect(() => writeDurably(path, "new")).toThrow(expect.objectContaining(host(path)));
    expect(readdirSync(root)).toEqual(["file.json"]);
    expect(readFileSync(join(path, "mine"), "utf8")).toBe("mine");
  });

  it("and says so where its folder is not there", () => {
    const path = join(root, "nowhere", "file.json");
    expect(() => writeDurably(path, "new")).toThrow(expect.objectContaining(host(path)));
    expect(() => syncFolder(join(root, "nowhere"))).toThrow(expect.objectContaining(host("nowhere")));
  });

  it("and what is not there is removed already; what cannot be removed is said", () => {
    removeDurably(join(root, "nothing"));
    const path = folderAt(join(root, "folder"));
    expect(() => removeDurably(path)).toThrow(expect.objectContaining(host(path)));
    expect(existsSync(join(path, "mine"))).toBe(true);
  });

  it("and a file in place of a folder is no empty folder", () => {
    writeFileSync(join(root, "file"), "");
    expect(namesIn(join(root, "nothing"))).toEqual([]);
    expect(() => namesIn(join(root, "file"))).toThrow(expect.objectContaining(host(join(root, "file"))));
  });
});

describe("the store", () => {
  it("says so where its folder cannot be made, and what to do", async () => {
    writeFileSync(join(root, "home"), "");
    await expect(add("a")).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("a part of its path is no folder"),
      hint: "Name another store with --store.",
    });
  });

  it("stores an update though it cannot be copied, and copies the next one", async () => {
    await add("a");
    const [first] = readdirSync(join(home, "state"));
    const second = `${String(Number(first?.split("-")[0]) + 1).padStart(12, "0")}-20250601T100000000Z.json`;
    folderAt(join(home, "state", second));
    await add("b");
    expect(Object.keys((await store.read()).keypairs)).toEqual(["a", "b"]);
    await add("c");
    const newest = readdirSync(join(home, "state")).sort().at(-1) ?? "";
    expect(newest).not.toBe(second);
    expect(Object.keys(JSON.parse(readFileSync(join(home, "state", newest), "utf8")).keypairs)).toEqual([
      "a",
      "b",
      "c",
    ]);
  });

  it("tells a record that cannot be read from one that is gone", async () => {
    await store.writeRecord("snap-1.xml", "<domain/>");
    folderAt(join(home, "records", "snap-2.xml"));
    await expect(store.readRecord("snap-2.xml")).rejects.toMatchObject(host("snap-2.xml"));
    await expect(store.readRecord("snap-3.xml")).rejects.toMatchObject({ code: "integrity" });
    expect(await store.readRecord("snap-1.xml")).toBe("<domain/>");
  });

  it("names a journal entry that cannot be read, and reads the others", async () => {
    const entry = journalEntry("op-00000000000000001");
    await store.journal.open(entry);
    const name = "op-00000000000000002.json";
    folderAt(join(home, "journal", name));
    const { entries, damaged } = await store.journal.scan();
    expect(entries).toEqual([entry]);
    expect(damaged).toEqual([{ name, why: expect.stringContaining(name) }]);
    await expect(store.journal.setAside("op-00000000000000003.json")).rejects.toMatchObject(
      host("op-00000000000000003"),
    );
    const aside = await store.journal.setAside(name);
    expect(readFileSync(join(aside, "mine"), "utf8")).toBe("mine");
    expect((await store.journal.scan()).damaged).toEqual([]);
  });

  it("locks no file outside of it that is a link, or that lies behind a file", async () => {
    const file = join(root, "marker.json");
    writeFileSync(file, "{}");
    symlinkSync(file, join(root, "link.json"));
    expect(await store.lockShared(join(root, "link.json"), "it", 0)).toBeNull();
    expect(await store.lockShared(join(file, "marker.json"), "it", 0)).toBeNull();
    const tooLong = join(root, "x".repeat(300));
    await expect(store.lockShared(tooLong, "it", 0)).rejects.toMatchObject(host(tooLong));
  });
});

describe("the log of operations", () => {
  const event = { time: NOW, command: "c", operation: "o", target: "t", result: "done", user: "u" };
  const log = (file: string) => events({ file, makeFolders: () => {} });

  it("says so where it can neither be written nor read", async () => {
    const file = folderAt(join(root, "events.jsonl"));
    await expect(log(file).append(event)).rejects.toMatchObject(host(file));
    await expect(log(file).list()).rejects.toMatchObject(host(file));
  });

  it("says so where it is a link to itself", async () => {
    const file = join(root, "events.jsonl");
    symlinkSync(file, file);
    await expect(log(file).append(event)).rejects.toMatchObject(host(file));
  });
});

describe("settings", () => {
  const settings = () => openSettings({ uid: 1000, systemFolder: join(root, "etc"), env: { XDG_CONFIG_HOME: root } });

  it("that cannot be read are no empty settings", () => {
    const file = folderAt(join(root, "estrato", "config.json"));
    expect(() => settings().get("network")).toThrow(expect.objectContaining(host(file)));
  });

  it("that have no folder cannot be changed, and say so", async () => {
    writeFileSync(join(root, "estrato"), "");
    expect(settings().get("network").value).toBe("user");
    await expect(settings().set("network", "mine", "user")).rejects.toMatchObject(host(join(root, "estrato")));
  });

  it("take folders of stores by absolute paths alone", async () => {
    await settings().set("image_stores", "/a,/b/c", "user");
    expect(settings().get("image_stores").value).toBe("/a,/b/c");
    for (const wrong of ["a", "/a,b", "/a\u0007"])
      await expect(settings().set("image_stores", wrong, "user")).rejects.toMatchObject({ code: "usage" });
  });
});
