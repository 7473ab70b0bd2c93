/** Lock files that somebody removes under commands at work. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStore, type Store } from "../../../src/store/index.ts";
import { journalEntry, keypair } from "./samples.ts";

const ENTRY = "op-0000000000000000a";
let home: string;
let store: Store;
const open = () => openStore({ home, systemMode: false });

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "estrato-removed-"));
  store = open();
});
afterEach(() => rmSync(home, { recursive: true }));

const removeLocks = () => rmSync(join(home, "locks"), { recursive: true });
const entry = { ...journalEntry(ENTRY), locks: ["vm"] };

/** Makes the entry look as another process had written it. */
function ownedBy(owner: object): void {
  const path = join(home, "journal", `${ENTRY}.json`);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, "utf8")), owner }));
}

/** Another process, what it would write of itself, and how it ends. */
async function another() {
  const child = spawn("sleep", ["600"]);
  await once(child, "spawn");
  const stat = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const boot = readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  const end = async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return { owner: { pid: child.pid, startTicks: Number(stat[19]), boot }, end };
}

test("what is under way in a living process is nobody else's, lock file or not", async () => {
  await open().journal.open(entry);
  const { owner, end } = await another();
  ownedBy(owner);
  try {
    await expect(store.lock(["other", "vm"], 0)).rejects.toMatchObject({
      code: "conflict",
      message: "vm: another operation is in progress",
    });
    await expect(store.lock(["vm"], 250)).rejects.toMatchObject({ code: "conflict" });
    await (await store.lock(["other"], 0)).release();
  } finally {
    await end();
  }
  await (await store.lock(["vm"], 0)).release(); // killed: whoever comes recovers it
});

test("a process that has the number of a dead one is another", async () => {
  await store.journal.open(entry);
  const { owner, end } = await another();
  try {
    for (const changed of [{ startTicks: owner.startTicks - 1 }, { boot: "of before" }]) {
      ownedBy({ ...owner, ...changed });
      await (await store.lock(["vm"], 0)).release();
    }
  } finally {
    await end();
  }
});

test("nothing is begun under a lock whose file was removed", async () => {
  const held = await store.lock(["vm"], 0);
  removeLocks();
  const newcomer = await open().lock(["vm"], 0); // sees nothing yet
  await expect(store.journal.open(entry)).rejects.toMatchObject({
    code: "conflict",
    message: expect.stringContaining("vm: its lock file was removed while it was held"),
  });
  expect(readdirSync(join(home, "journal"))).toEqual([]);
  await newcomer.release();
  await held.release();
});

test("what was begun under it goes on, and is ended by who began it", async () => {
  const held = await store.lock(["vm"], 0);
  await store.journal.open(entry);
  removeLocks();
  await store.journal.open({ ...entry, command: "changed" });
  expect(await store.journal.list()).toMatchObject([{ command: "changed" }]);
  await store.journal.close(ENTRY);
  await held.release();
});

test("an entry that is left open is nobody's work any more", async () => {
  const held = await store.lock(["vm"], 0);
  await store.journal.open(entry);
  await held.release();
  expect(readFileSync(join(home, "journal", `${ENTRY}.json`), "utf8")).not.toContain("owner");
  expect(await store.journal.list()).toEqual([entry]);
});

test("a recovery whose lock file was removed does not begin", async () => {
  const held = await store.lock(["vm"], 0);
  await open().journal.open(entry);
  removeLocks();
  await (await open().lock(["vm"], 0)).release();
  await expect(store.journal.claim(entry)).rejects.toMatchObject({ code: "conflict" });
  await held.release();
});

test("a recovery takes nobody's name out of the entry that another one has claimed", async () => {
  const held = await store.lock(["vm"], 0);
  await open().journal.open(entry);
  const { owner, end } = await another();
  ownedBy(owner); // whose lock is of the same name, since its file was removed
  try {
    await expect(store.journal.claim(entry)).rejects.toMatchObject({
      code: "conflict",
      message: "vm: another operation is in progress",
    });
    await held.release();
    expect(JSON.parse(readFileSync(join(home, "journal", `${ENTRY}.json`), "utf8")).owner).toEqual(owner);
  } finally {
    await end();
  }
});

test("a recovery that cannot begin leaves nobody's name in the entry", async () => {
  const held = await store.lock(["vm"], 0);
  await open().journal.open(entry);
  removeLocks();
  await expect(store.journal.claim(entry)).rejects.toMatchObject({ code: "conflict" });
  expect(readFileSync(join(home, "journal", `${ENTRY}.json`), "utf8")).not.toContain("owner");
  await held.release();
});

test("who waits for a lock whose file is removed takes the new one", async () => {
  const held = await store.lock(["vm"], 0);
  const waiting = open().lock(["vm"], 60_000);
  removeLocks();
  await store.journal.open({ ...entry, locks: ["none"] });
  const newcomer = await open().lock(["vm"], 0);
  await held.release(); // of the old file: who waits for it gets it, and has nothing
  let isThere = false;
  waiting.then(() => {
    isThere = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(isThere).toBe(false);
  await newcomer.release();
  await (await waiting).release();
});

test("no change of the state is stored under one", async () => {
  await store.update((draft) => {
    draft.keypairs.first = keypair("first");
  });
  const text = readFileSync(join(home, "state.json"), "utf8");
  const change = store.update((draft) => {
    rmSync(store.paths.stateLock);
    draft.keypairs.second = keypair("second");
  });
  await expect(change).rejects.toMatchObject({ code: "conflict" });
  expect(readFileSync(join(home, "state.json"), "utf8")).toBe(text);
});
