import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type Store } from "../../../src/store/index.ts";
import { journalEntry } from "./samples.ts";

const OP_1 = "op-00000000000000001";
const OP_2 = "op-00000000000000002";

let home: string;
let folder: string;
let store: Store;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), "estrato-journal-"));
  folder = join(home, "journal");
  store = openStore({ home, systemMode: false });
  await store.journal.open(journalEntry(OP_1));
});
afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

describe("the journal", () => {
  it("holds one private file for each entry", () => {
    expect(readdirSync(folder)).toEqual([`${OP_1}.json`]);
    expect(statSync(join(folder, `${OP_1}.json`)).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(join(folder, `${OP_1}.json`), "utf8"))).toEqual({
      ...journalEntry(OP_1),
      owner: { pid: process.pid, startTicks: expect.any(Number), boot: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    });
  });

  it.each([
    ["empty", ""],
    ["torn", '{"id":"op-000000000000'],
    ["of a wrong shape", "{}"],
    ["another's", JSON.stringify(journalEntry(OP_1))],
  ])("says so where an entry is %s, and lets doctor put it aside", async (_kind, text) => {
    writeFileSync(join(folder, `${OP_2}.json`), text);
    await expect(store.journal.list()).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringContaining(`${OP_2}.json: damaged journal entry`),
      hint: "Run `estrato doctor --repair`.",
    });
    const { entries, damaged } = await store.journal.scan();
    expect(entries).toEqual([journalEntry(OP_1)]);
    expect(damaged).toEqual([{ name: `${OP_2}.json`, why: expect.any(String) }]);
    const aside = await store.journal.setAside(`${OP_2}.json`);
    expect(readFileSync(aside, "utf8")).toBe(text);
    expect(await store.journal.list()).toEqual([journalEntry(OP_1)]);
  });

  it("says so where a file of another name lies in it", async () => {
    writeFileSync(join(folder, "notes.txt"), JSON.stringify(journalEntry(OP_2)));
    await expect(store.journal.list()).rejects.toMatchObject({ code: "integrity" });
  });

  it("refuses an entry that could not be read back", async () => {
    const { data: _left, ...rest } = journalEntry(OP_2);
    await expect(store.journal.open({ ...rest, data: undefined })).rejects.toMatchObject({ code: "integrity" });
    expect(await store.journal.list()).toHaveLength(1);
  });

  it("ignores what a killed writer left, and clears it away once it is old", async () => {
    const young = join(folder, `.${OP_2}.json.1-1.tmp`);
    const old = join(folder, `.${OP_2}.json.2-1.tmp`);
    writeFileSync(young, "{half");
    writeFileSync(old, "{half");
    utimesSync(old, 0, 0);
    expect(await store.journal.list()).toHaveLength(1);
    await store.journal.open(journalEntry(OP_2));
    expect(existsSync(young)).toBe(true);
    expect(existsSync(old)).toBe(false);
  });

  it("puts nothing aside that lies elsewhere", async () => {
    await expect(store.journal.setAside("../state.json")).rejects.toMatchObject({ code: "usage" });
  });
});
