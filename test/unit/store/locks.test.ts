import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { openStore, type Store } from "../../../src/store/index.ts";

let home: string;
let store: Store;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "estrato-locks-"));
  store = openStore({ home, systemMode: false });
});
afterEach(() => {
  rmSync(home, { recursive: true, force: true });
});

describe("a lock", () => {
  it("leaves its file in place, so that nobody holds the file of a name that another has", async () => {
    await (await store.lock(["web1"], 0)).release();
    const { ino, size } = statSync(join(home, "locks", "web1.lock"));
    await (await store.lock(["web1"], 0)).release();
    expect(statSync(join(home, "locks", "web1.lock")).ino).toBe(ino);
    expect(size).toBe(0);
  });

  it("is of the name alone: names that look alike as files are different locks", async () => {
    const names = ["..", ".", "a/b", "a%2Fb", "state", "../state", "ñ"];
    const held = await store.lock(names, 0);
    expect(readdirSync(join(home, "locks"))).toHaveLength(names.length);
    await store.update((draft) => {
      draft.flavors = {};
    });
    await held.release();
  });

  it.each(["", "x".repeat(241)])("needs a name that fits a file", async (name) => {
    await expect(store.lock([name], 0)).rejects.toMatchObject({ code: "usage" });
  });

  it("is not taken through a symbolic link", async () => {
    await (await store.lock(["a"], 0)).release();
    symlinkSync(join(home, "elsewhere"), join(home, "locks", "b.lock"));
    await expect(store.lock(["b"], 0)).rejects.toMatchObject({ code: "host" });
    expect(readdirSync(home)).not.toContain("elsewhere");
  });

  it("says what to install where flock is not there", async () => {
    const lacking = openStore({ home, systemMode: false, searchPath: "/nowhere" });
    await expect(lacking.lock(["a"], 0)).rejects.toMatchObject({
      code: "host",
      message: expect.stringContaining("flock"),
      hint: expect.stringContaining("util-linux"),
    });
    await (await store.lock(["a"], 0)).release();
  });

  it("keeps no descriptor of a lock that it did not get", async () => {
    const held = await store.lock(["b"], 0);
    const before = readdirSync("/proc/self/fd").length;
    for (let time = 0; time < 5; time += 1) {
      await expect(store.lock(["a", "b"], 0)).rejects.toMatchObject({ code: "conflict" });
    }
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
    await held.release();
  });
});

describe("a lock in a folder that several stores use", () => {
  const marker = () => join(home, "marker.json");
  const lock = (of = store) => of.lockShared(marker(), "/mnt/backup", 0);
  beforeEach(() => writeFileSync(marker(), "{}"));

  /** With a flock(1) that ends so. */
  async function withFlock<T>(exit: number, work: (wrong: typeof store) => Promise<T>): Promise<T> {
    writeFileSync(join(home, "flock"), `#!/bin/sh\nexit ${exit}\n`, { mode: 0o755 });
    return work(openStore({ home, systemMode: false, searchPath: home }));
  }

  it("leaves the file as it is, and makes none", async () => {
    await (await lock())?.release();
    expect(readFileSync(marker(), "utf8")).toBe("{}");
    rmSync(marker());
    expect(await lock()).toBeNull();
    expect(readdirSync(home)).toEqual([]);
  });

  it("is none where it is a link to somewhere else", async () => {
    symlinkSync(marker(), join(home, "link"));
    expect(await store.lockShared(join(home, "link"), "/mnt/backup", 0)).toBeNull();
  });

  // What flock(1) says of ENOLCK, and of all other errors of flock(2).
  it.each([71, 65])("is none where the file system carries no locks (flock ends with %i)", async (exit) => {
    const before = readdirSync("/proc/self/fd").length;
    expect(await withFlock(exit, lock)).toBeNull();
    expect(readdirSync("/proc/self/fd")).toHaveLength(before);
  });

  it("is refused where flock fails otherwise, which for a lock of our own is always so", async () => {
    await expect(withFlock(1, lock)).rejects.toMatchObject({ code: "host" });
    await expect(withFlock(71, (wrong) => wrong.lock(["a"], 0))).rejects.toMatchObject({ code: "host" });
  });

  it("is kept by a child that inherited it, beyond our release", async () => {
    const held = await lock();
    const child = spawn("sleep", ["600"], { stdio: ["ignore", "ignore", "ignore", held?.fds[0]] });
    await held?.release();
    await expect(lock()).rejects.toMatchObject({ code: "conflict" });
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await gone;
    await (await lock())?.release();
  });
});
