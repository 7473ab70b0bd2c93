import { describe, expect, it } from "vitest";
import { journalEntry } from "./samples.ts";
import { STORES } from "./stores.ts";

const OP_1 = "op-00000000000000001";
const OP_2 = "op-00000000000000002";
const OP_3 = "op-00000000000000003";

describe.each(STORES)("the %s store", (_name, makeStore) => {
  it("lists the journal by age, then id", async () => {
    const store = makeStore();
    await store.journal.open(journalEntry(OP_3, "2025-01-01T00:00:00.000Z"));
    await store.journal.open(journalEntry(OP_2, "2025-01-02T00:00:00.000Z"));
    await store.journal.open(journalEntry(OP_1, "2025-01-02T00:00:00.000Z"));
    expect((await store.journal.list()).map((one) => one.id)).toEqual([OP_3, OP_1, OP_2]);
  });

  it("replaces a journal entry of the same id, and forgets it when closed, as often as you like", async () => {
    const store = makeStore();
    await store.journal.open(journalEntry(OP_1, "2025-01-01T00:00:00.000Z"));
    await store.journal.open({ ...journalEntry(OP_1, "2025-01-01T00:00:00.000Z"), data: "further" });
    expect(await store.journal.list()).toEqual([
      { ...journalEntry(OP_1, "2025-01-01T00:00:00.000Z"), data: "further" },
    ]);
    await store.journal.close(OP_1);
    await store.journal.close(OP_1);
    expect(await store.journal.list()).toEqual([]);
  });

  it.each(["", "op-1", "../op-00000000000000001", "op-0000000000000000G", "vol-00000000000000001"])(
    "refuses %j as the id of a journal entry",
    async (id) => {
      const store = makeStore();
      await expect(store.journal.open(journalEntry(id, "2025-01-01T00:00:00.000Z"))).rejects.toMatchObject({
        name: "EstratoError",
      });
      await expect(store.journal.close(id)).rejects.toMatchObject({ code: "usage" });
    },
  );

  it("keeps records, lists them by name, and calls a missing one damage", async () => {
    const store = makeStore();
    await store.writeRecord("b.xml", "<b/>");
    await store.writeRecord("a.xml", "<a/>");
    await store.writeRecord("a.xml", "<a>ñ</a>");
    expect(await store.listRecords()).toEqual(["a.xml", "b.xml"]);
    expect(await store.readRecord("a.xml")).toBe("<a>ñ</a>");
    await store.removeRecord("a.xml");
    await store.removeRecord("a.xml");
    await expect(store.readRecord("a.xml")).rejects.toMatchObject({ code: "integrity" });
  });

  it.each(["", ".", "..", ".hidden", "a/b", "../a", "a\nb", "a\0b", "x".repeat(201)])(
    "refuses %j as a name",
    async (name) => {
      const store = makeStore();
      await expect(store.writeRecord(name, "")).rejects.toMatchObject({ code: "usage" });
      await expect(store.removeRecord(name)).rejects.toMatchObject({ code: "usage" });
      expect(() => store.paths.layer(name)).toThrow("not a name for a file of the store");
      expect(() => store.paths.nvram(name)).toThrow("not a name for a file of the store");
      expect(() => store.paths.memory(name)).toThrow("not a name for a file of the store");
      expect(() => store.paths.knownHosts(name)).toThrow("not a name for a file of the store");
      expect(() => store.paths.seed(name)).toThrow("not a name for a file of the store");
    },
  );

  it("logs operations in the order they came", async () => {
    const store = makeStore();
    const event = {
      time: "2025-01-01T00:00:00.000Z",
      command: "c",
      operation: "o",
      target: null,
      result: "done",
      user: "u",
    };
    await store.events.append(event);
    await store.events.append({ ...event, target: "web1" });
    expect(await store.events.list()).toEqual([event, { ...event, target: "web1" }]);
  });
});
