import { describe, expect, it } from "vitest";
import { SHARED, STORES } from "./stores.ts";

describe.each(STORES)("the %s store", (_name, makeStore, makeStores) => {
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

  it("locks a file that another store may lock, without a name of its own", async () => {
    const [store, other] = makeStores();
    const held = await store.lockShared(SHARED, "/mnt/backup", 0);
    expect(held).toMatchObject({ names: [], fds: [expect.any(Number)] });
    await expect(other.lockShared(SHARED, "/mnt/backup", 20)).rejects.toMatchObject({
      code: "conflict",
      message: "/mnt/backup: another store is at work in it",
      hint: expect.stringContaining("--lock-timeout"),
    });
    const waiting = other.lockShared(SHARED, "/mnt/backup", 30_000);
    await held?.release();
    await held?.release();
    await (await waiting)?.release();
    await (await store.lockShared(SHARED, "/mnt/backup", 0))?.release();
  });
});
