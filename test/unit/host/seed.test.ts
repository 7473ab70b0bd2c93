import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createProcesses } from "../../../src/host/process.ts";
import { createSeed, removeHalfMade } from "../../../src/host/seed.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-writers-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An xorriso that says this and fails, as often, and writes its name from then on. */
function writer(times: number, words: string) {
  const path = join(folder, "xorriso");
  writeFileSync(
    path,
    `#!/bin/sh
echo run >> '${folder}/runs'
if [ "$(wc -l < '${folder}/runs')" -le ${times} ]; then echo '${words}' >&2; exit 1; fi
while [ "$1" != -output ]; do shift; done
echo seed > "$2"
`,
  );
  chmodSync(path, 0o755);
  return createProcesses({ env: { PATH: `${folder}:${process.env.PATH}` } });
}

const seed = () => ({ do: "create-seed", path: join(folder, "seed.iso"), metaData: "m", userData: "u" }) as const;
const runs = () => readFileSync(join(folder, "runs"), "utf8").trim().split("\n").length;

describe("a seed whose writer crashes", () => {
  test("is written by another run of it", async () => {
    await createSeed(writer(2, "UNIX-SIGNAL:  SIGSEGV  errno= 0"), { ...seed(), networkConfig: null });
    expect(readFileSync(join(folder, "seed.iso"), "utf8")).toBe("seed\n");
    expect(runs()).toBe(3);
  });

  test("again and again is none, and nothing is left", async () => {
    const crashing = writer(99, "UNIX-SIGNAL:  SIGSEGV  errno= 0");
    await expect(createSeed(crashing, { ...seed(), networkConfig: null })).rejects.toMatchObject({ code: "failed" });
    expect(runs()).toBe(5);
    expect(() => readFileSync(join(folder, "seed.iso"))).toThrow("ENOENT");
  });
});

test("a writer that fails otherwise is run once", async () => {
  const failing = writer(99, "xorriso : FAILURE : No space left on device");
  await expect(createSeed(failing, { ...seed(), networkConfig: null })).rejects.toThrow("No space left on device");
  expect(runs()).toBe(1);
});

test("what a killed command had written of one goes with the next, and with its removal: it may hold passwords", async () => {
  const half = join(folder, ".seed.iso.making/contents");
  const leave = () => {
    mkdirSync(half, { recursive: true });
    writeFileSync(join(half, "user-data"), "password: secret");
  };
  leave();
  await createSeed(writer(0, ""), { ...seed(), networkConfig: null });
  expect(readdirSync(folder).sort()).toEqual(["runs", "seed.iso", "xorriso"]);
  leave();
  await removeHalfMade(join(folder, "seed.iso"));
  expect(readdirSync(folder).sort()).toEqual(["runs", "seed.iso", "xorriso"]);
});
