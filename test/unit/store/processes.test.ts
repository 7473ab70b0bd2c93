import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../../src/store/index.ts";
import { bundleProgram, type Running, start } from "./processes.ts";
import { count } from "./samples.ts";

let root: string;
let program: string;
let homes = 0;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "estrato-processes-"));
  program = await bundleProgram(root);
});
afterAll(() => {
  rmSync(root, { recursive: true, force: true });
});

function newHome(): string {
  homes += 1;
  return join(root, `home${homes}`);
}

function run(home: string, ...args: string[]): Running {
  return start(process.execPath, program, home, ...args);
}

describe("several processes", () => {
  it("count to 240 when six of them add forty each", async () => {
    const home = newHome();
    const writers = Array.from({ length: 6 }, () => run(home, "increment", "40"));
    await Promise.all(writers.map((writer) => writer.ended));
    expect(count(await openStore({ home, systemMode: false }).read())).toBe(240);
    const said = writers.flatMap((writer) => writer.lines).map(Number);
    expect(said.sort((a, b) => a - b)).toEqual(Array.from({ length: 240 }, (_, index) => index + 1));
  });

  it("need few open files for however many rows", async () => {
    const home = newHome();
    const line = 'ulimit -n 100; exec "$@"';
    const writer = start("sh", "-c", line, "sh", process.execPath, program, home, "many", "300");
    await writer.ended;
    expect(readdirSync(join(home, "things"))).toHaveLength(300 + 5 + 1); // flavors, and the header
  });

  it("get the lock of one that was killed", async () => {
    const home = newHome();
    const store = openStore({ home, systemMode: false });
    const holder = run(home, "hold", "web1");
    await holder.line(/^held$/);
    await expect(store.lock(["web1"], 0)).rejects.toMatchObject({ code: "conflict" });
    holder.child.kill("SIGKILL");
    await holder.ended;
    await (await store.lock(["web1"], 0)).release();
  });

  it("are not kept waiting by one that was killed while it waited", async () => {
    const home = newHome();
    const store = openStore({ home, systemMode: false });
    const held = await store.lock(["web1"], 0);
    const waiter = run(home, "wait", "web1");
    await waiter.line(/^waiting$/);
    waiter.child.kill("SIGKILL");
    await waiter.ended;
    await held.release();
    await (await store.lock(["web1"], 30_000)).release();
  });

  it("wait for a child that inherited the lock of one that was killed", async () => {
    const home = newHome();
    const store = openStore({ home, systemMode: false });
    const holder = run(home, "hold", "web1", "with-child");
    const child = Number((await holder.line(/^child ([0-9]+)$/))[1]);
    await holder.line(/^held$/);
    holder.child.kill("SIGKILL");
    await holder.ended;
    await expect(store.lock(["web1"], 0)).rejects.toMatchObject({ code: "conflict" });
    process.kill(child, "SIGKILL");
    await (await store.lock(["web1"], 30_000)).release();
  });
});

describe("a writer killed at any instant", () => {
  it("leaves a readable state with every update it had finished, a hundred times", async () => {
    const home = newHome();
    const store = openStore({ home, systemMode: false });
    for (let kill = 0; kill < 100; kill += 1) {
      const writer = run(home, "work");
      await writer.line(/^[0-9]+$/);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 30));
      writer.child.kill("SIGKILL");
      await writer.ended;
      const said = Number(writer.lines.at(-1));
      const reached = count(await store.read());
      expect(reached).toBeGreaterThanOrEqual(said);
      expect(reached).toBeLessThanOrEqual(said + 1);
      const open = (await store.journal.list()).map((entry) => entry.id);
      for (const id of open) await store.journal.close(id);
      expect(open.length).toBeLessThanOrEqual(1);
    }
    await store.update((draft) => {
      delete draft.keypairs.counter;
    });
    expect(readdirSync(home).filter((name) => name.includes("next"))).toEqual([]);
  });
});

describe("a full disk", () => {
  /**
   * Mounts a small tmpfs that only the children see and that goes with them: nothing is left, however the test ends.
   */
  const SCRIPT = `
    set -e
    mount -t tmpfs -o size=512k none "$1"
    "$2" "$3" "$1/home" increment 3
    free=$(($(stat -f -c %a "$1") - $4))
    dd if=/dev/zero of="$1/filler" bs=4096 count=$free status=none
    "$2" "$3" "$1/home" grow 60000
    rm "$1/filler"
    "$2" "$3" "$1/home" increment 1
    find "$1/home/records" "$1/home/journal" -type f -printf 'left %f\\n'`;

  it.each([0, 1, 2, 5, 10, 14])("with %i pages left fails with host and leaves the old state", async (pages) => {
    const folder = newHome();
    mkdirSync(folder);
    const namespace = process.getuid?.() === 0 ? ["--mount"] : ["--mount", "--map-root-user"];
    const args = [folder, process.execPath, program, String(pages)];
    const full = start("unshare", ...namespace, "sh", "-c", SCRIPT, "sh", ...args);
    await full.ended;
    const said = full.lines.filter((line) => line !== "");
    expect(said.slice(0, 3)).toEqual(["1", "2", "3"]);
    for (const what of ["update", "record", "journal"]) {
      const outcome = said.find((line) => line.startsWith(`${what} `));
      expect(outcome).toMatch(new RegExp(`^${what} host: .*(no space left|written only in part)`));
    }
    expect(said.filter((line) => /^[0-9]+$/.test(line))).toEqual(["1", "2", "3", "4"]);
    expect(said.filter((line) => line.startsWith("left "))).toEqual([]);
  });
});
