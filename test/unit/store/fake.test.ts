import { describe, expect, it } from "vitest";
import { Crash, fakeDisk, fakeStore } from "../../fake/store.ts";
import { journalEntry, keypair } from "./samples.ts";

const OP_1 = "op-00000000000000001";

async function work(store: ReturnType<typeof fakeStore>): Promise<void> {
  await store.lock(["web1"], 0);
  await store.journal.open(journalEntry(OP_1));
  await store.update((draft) => {
    draft.keypairs.me = keypair("me");
  });
  await store.journal.close(OP_1);
}

describe("the fake store", () => {
  it("tells its writes, so that a test can die at each", async () => {
    const store = fakeStore();
    await work(store);
    expect(store.writes).toEqual([`journal.open ${OP_1}`, "update", `journal.close ${OP_1}`]);
  });

  it.each([
    [0, "before", false, false],
    [0, "after", true, false],
    [1, "before", true, false],
    [1, "after", true, true],
    [2, "before", true, true],
    [2, "after", false, true],
  ] as const)("dies at write %i, %s it: entry %s, update %s", async (index, phase, hasEntry, hasUpdate) => {
    const disk = fakeDisk();
    const dying = fakeStore({ disk, crashAt: { index, phase } });
    await expect(work(dying)).rejects.toThrow(Crash);
    await expect(dying.read()).rejects.toThrow(Crash);
    await expect(dying.update(() => {})).rejects.toThrow(Crash);

    const next = fakeStore({ disk });
    expect((await next.journal.list()).length === 1).toBe(hasEntry);
    expect((await next.read()).keypairs.me !== undefined).toBe(hasUpdate);
    await next.lock(["web1"], 0);
  });

  it("shares its locks with the others on its disk until it dies", async () => {
    const disk = fakeDisk();
    const first = fakeStore({ disk });
    const held = await first.lock(["web1"], 0);
    await expect(fakeStore({ disk }).lock(["web1"], 0)).rejects.toMatchObject({ code: "conflict" });
    first.crash();
    await fakeStore({ disk }).lock(["web1"], 0);
    await held.release();
    await expect(fakeStore({ disk }).lock(["web1"], 0)).rejects.toMatchObject({ code: "conflict" });
  });

  it.each([null, "", "{half"])("can be damaged to %j, and restored", async (damage) => {
    const disk = fakeDisk();
    await work(fakeStore({ disk }));
    const good = await fakeStore({ disk }).read();
    disk.state = damage;
    const next = fakeStore({ disk });
    await expect(next.read()).rejects.toMatchObject({ code: "integrity" });
    await expect(next.update(() => {})).rejects.toMatchObject({ code: "integrity" });
    expect((await next.restoreLastGood()).from).not.toBeNull();
    expect(await next.read()).toEqual({ ...good, writes: 2 });
  });
});
