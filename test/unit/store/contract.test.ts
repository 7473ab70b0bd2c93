import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { StorePort } from "../../../src/core/ports.ts";
import { openStore } from "../../../src/store/index.ts";
import { fakeStore } from "../../fake/store.ts";
import { journalEntry, keypair } from "./samples.ts";

const roots: string[] = [];
afterAll(() => {
  for (const root of roots) rmSync(root, { recursive: true, force: true });
});

function realStore(): StorePort {
  const root = mkdtempSync(join(tmpdir(), "estrato-store-"));
  roots.push(root);
  return openStore({ home: join(root, "home"), systemMode: false });
}

const OP_1 = "op-00000000000000001";
const OP_2 = "op-00000000000000002";
const OP_3 = "op-00000000000000003";

describe.each([
  ["fake", () => fakeStore() as StorePort],
  ["real", realStore],
])("the %s store", (_name, makeStore) => {
  it("is empty at first, but for the default flavors", async () => {
    const state = await makeStore().read();
    expect(Object.keys(state.flavors)).toEqual(["tiny", "small", "medium", "large", "xlarge"]);
    expect(state.volumes).toEqual({});
  });

  it("reads back what an update stored, and gives back what the change returned", async () => {
    const store = makeStore();
    const given = await store.update((draft) => {
      draft.keypairs.me = keypair("me");
      return 42;
    });
    expect(given).toBe(42);
    expect((await store.read()).keypairs.me).toEqual(keypair("me"));
  });

  it("hands out copies: what a reader does to the state it read changes nothing", async () => {
    const store = makeStore();
    const mine = await store.read();
    delete mine.flavors.tiny;
    expect((await store.read()).flavors.tiny).toBeDefined();
  });

  it("keeps nothing of what was hung into the draft by reference", async () => {
    const store = makeStore();
    const mine = keypair("me");
    await store.update((draft) => {
      draft.keypairs.me = mine;
    });
    mine.owner = "someone else";
    expect((await store.read()).keypairs.me?.owner).toBe("root");
  });

  it("changes nothing where the change throws", async () => {
    const store = makeStore();
    const update = store.update((draft) => {
      draft.flavors = {};
      throw new Error("on second thoughts");
    });
    await expect(update).rejects.toThrow("on second thoughts");
    expect(Object.keys((await store.read()).flavors)).toHaveLength(5);
  });

  it("refuses a state that the schema refuses, and changes nothing", async () => {
    const store = makeStore();
    const update = store.update((draft) => {
      draft.keypairs.me = { ...keypair("me"), owner: undefined as unknown as string };
    });
    await expect(update).rejects.toMatchObject({
      code: "integrity",
      message: expect.stringContaining("keypairs.me.owner"),
    });
    expect((await store.read()).keypairs).toEqual({});
  });

  it("refuses a change that is not done when it returns", async () => {
    await expect(makeStore().update(async () => 1)).rejects.toThrow(TypeError);
  });

  it("takes updates that come at once one after the other", async () => {
    const store = makeStore();
    await Promise.all(
      ["a", "b", "c", "d"].map((name) =>
        store.update((draft) => {
          draft.keypairs[name] = keypair(name);
        }),
      ),
    );
    expect(Object.keys((await store.read()).keypairs).sort()).toEqual(["a", "b", "c", "d"]);
  });

  it.each(["constructor", "__proto__", "toString"])("takes %s for a name like any other", async (name) => {
    const store = makeStore();
    expect((await store.read()).keypairs[name]).toBeUndefined();
    await store.update((draft) => {
      draft.keypairs[name] = keypair(name);
    });
    expect((await store.read()).keypairs[name]).toEqual(keypair(name));
  });

  it("keeps what it does not know", async () => {
    const store = makeStore();
    await store.update((draft) => Object.assign(draft, { later: { a: 1 } }));
    await store.update((draft) => {
      draft.keypairs.me = keypair("me");
    });
    expect(await store.read()).toMatchObject({ later: { a: 1 } });
  });

  it("gives a lock to one at a time, sorted and without doubles", async () => {
    const store = makeStore();
    const held = await store.lock(["b", "a", "b"], 0);
    expect(held.names).toEqual(["a", "b"]);
    expect(held.fds).toHaveLength(2);
    await expect(store.lock(["a"], 0)).rejects.toMatchObject({
      code: "conflict",
      message: "a: another operation is in progress",
      hint: expect.stringContaining("--lock-timeout"),
    });
    await held.release();
    await (await store.lock(["a"], 0)).release();
  });

  it("holds none of the locks where one is taken", async () => {
    const store = makeStore();
    const held = await store.lock(["b"], 0);
    await expect(store.lock(["a", "b"], 0)).rejects.toMatchObject({ code: "conflict" });
    await (await store.lock(["a"], 0)).release();
    await held.release();
  });

  it("waits for a lock as long as it was told, and then says conflict", async () => {
    const store = makeStore();
    const held = await store.lock(["a"], 0);
    await expect(store.lock(["a"], 20)).rejects.toMatchObject({ code: "conflict" });
    const waiting = store.lock(["a"], 30_000);
    await held.release();
    await (await waiting).release();
  });

  it("stops waiting for a lock when interrupted", async () => {
    const store = makeStore();
    const held = await store.lock(["a"], 0);
    const abort = new AbortController();
    const waiting = store.lock(["a"], 30_000, abort.signal);
    abort.abort();
    await expect(waiting).rejects.toMatchObject({ code: "interrupted" });
    await held.release();
  });

  it("locks a backup target by its path", async () => {
    const store = makeStore();
    const held = await store.lock(["/mnt/backup", "/mnt%2Fbackup"], 0);
    expect(held.names).toHaveLength(2);
    await held.release();
    await held.release();
  });

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

  it("finds nothing to restore in a good state", async () => {
    const store = makeStore();
    await store.update((draft) => {
      draft.keypairs.me = keypair("me");
    });
    expect(await store.restoreLastGood()).toEqual({ from: null, damagedFile: null });
  });
});
