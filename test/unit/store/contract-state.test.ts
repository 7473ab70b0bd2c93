import { describe, expect, it } from "vitest";
import { journalEntry, keypair } from "./samples.ts";
import { STORES } from "./stores.ts";

describe.each(STORES)("the %s store", (_name, makeStore) => {
  it("is empty at first, but for the default flavors", async () => {
    const state = await makeStore().read();
    expect(Object.keys(state.flavors)).toEqual(["tiny", "small", "medium", "large", "xlarge"]);
    expect(state.volumes).toEqual({});
  });

  it("is not there before something is stored in it, and reading makes nothing", async () => {
    const store = makeStore();
    expect(await store.isThere()).toBe(false);
    await store.read();
    await store.journal.list();
    expect(await store.isThere()).toBe(false);
    await store.update((draft) => {
      draft.keypairs.me = keypair("me");
    });
    expect(await store.isThere()).toBe(true);
  });

  it("is there where an operation was killed before it stored anything else", async () => {
    const store = makeStore();
    await store.journal.open(journalEntry("op-0000000000000000a"));
    expect(await store.isThere()).toBe(true);
  });

  it("says whose it is", async () => {
    const store = makeStore();
    expect(await store.binding()).toBeNull();
    const mine = { machine: "m", machineName: "alpha", uri: "qemu:///session", user: 1000, home: "/h" };
    await store.update((draft) => {
      draft.binding = mine;
    });
    expect(await store.binding()).toEqual(mine);
    expect((await store.read()).binding).toEqual(mine);
  });

  it("says what is stored now, whoever asked whose it is before", async () => {
    const store = makeStore();
    await store.update((draft) => {
      draft.keypairs.me = keypair("me");
    });
    await store.binding();
    await store.update((draft) => {
      draft.keypairs.other = keypair("other");
    });
    expect(Object.keys((await store.read()).keypairs)).toEqual(["me", "other"]);
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

  it("hands out what no reader can change, at any depth, before and after the first write", async () => {
    const store = makeStore();
    for (let round = 0; round < 2; round += 1) {
      const state = await store.read();
      expect(() => delete state.flavors.tiny).toThrow(TypeError);
      expect(() => Object.assign(state.flavors.tiny as object, { vcpus: 9 })).toThrow(TypeError);
      await store.update((draft) => {
        draft.keypairs.me = keypair("me");
      });
    }
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
      hint: expect.not.stringContaining("repair"),
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

  it("finds nothing to restore in a good state", async () => {
    const store = makeStore();
    await store.update((draft) => {
      draft.keypairs.me = keypair("me");
    });
    expect(await store.restoreLastGood()).toEqual({ from: null, damagedFile: null });
  });
});
