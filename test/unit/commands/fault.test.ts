import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { whileDoing } from "../../../src/errors.ts";
import { keepFault } from "../../../src/fault-file.ts";
import { fakeStore } from "../../fake/store.ts";
import { runLine } from "./line.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-fault-"));
afterAll(() => rmSync(folder, { recursive: true }));
const env = { XDG_STATE_HOME: folder };

const failing = (error: Error) => {
  const store = fakeStore();
  return runLine(["flavor", "list"], {
    env,
    store: { ...store, isThere: async () => true, read: () => Promise.reject(error) },
  });
};

test("an error that nobody expected names the step, and the file of its own that keeps its trace", async () => {
  const { exit, stderr } = await failing(
    whileDoing(new TypeError("x is undefined"), "snapshot.create: Freeze") as Error,
  );
  expect(exit).toBe(1);
  const [name = ""] = readdirSync(join(folder, "estrato"));
  const path = join(folder, "estrato", name);
  expect(stderr).toBe(
    `estrato: unexpected (snapshot.create: Freeze): x is undefined. This is a fault in estrato: its trace is in ${path}; please report it.\n`,
  );
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readFileSync(path, "utf8")).toMatch(/^estrato flavor list\n[\s\S]*TypeError: x is undefined\n\s+at /);
});

test("what the machine answers is told as the host's (6), and leaves no trace", async () => {
  const before = readdirSync(join(folder, "estrato")).length;
  const error = Object.assign(new Error("EROFS"), { code: "EROFS", syscall: "open", path: "/s/state.json" });
  expect(await failing(error)).toMatchObject({
    exit: 6,
    stderr: "estrato: /s/state.json: the file system is read-only (open). Mount it writable.\n",
  });
  expect(readdirSync(join(folder, "estrato"))).toHaveLength(before);
});

test("twenty traces are kept, and none where there is no place for them", () => {
  for (let second = 10; second < 40; second += 1) keepFault("x", env, new Date(`2020-01-01T00:00:${second}Z`));
  expect(readdirSync(join(folder, "estrato"))).toHaveLength(20);
  expect(keepFault("x", { XDG_STATE_HOME: "/dev/null" }, new Date())).toBeNull();
});
