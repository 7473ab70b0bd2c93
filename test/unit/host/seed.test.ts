import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createProcesses } from "../../../src/host/process.ts";
import { createSeed, removeHalfMade, renewSeed } from "../../../src/host/seed.ts";

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

describe("a seed with another instance-id", () => {
  const [old, other] = ["11111111-2222-4333-8444-555555555555", "99999999-2222-4333-8444-555555555555"];
  const [from, to] = [() => join(folder, "seed.iso"), () => join(folder, "other.iso")];
  const userData = `#cloud-config\npassword: x\n${"# é\n".repeat(3000)}`;

  test("says the same but for that, in the file itself", async () => {
    const metaData = `instance-id: "${old}"\nlocal-hostname: "web1"\n`;
    const processes = createProcesses({ env: { PATH: process.env.PATH } });
    await createSeed(processes, { ...seed(), metaData, userData, networkConfig: null } as never);
    await renewSeed({ do: "renew-seed", from: from(), to: to(), instanceId: other });
    const read = async (path: string, name: string) => {
      const out = join(folder, "out");
      rmSync(out, { force: true });
      await processes.run({ program: "xorriso", args: ["-osirrox", "on", "-indev", path, "-extract", name, out] });
      return readFileSync(out, "utf8");
    };
    expect(await read(to(), "/meta-data")).toBe(metaData.replace(old, other));
    expect(await read(to(), "/user-data")).toBe(userData);
    expect(await read(from(), "/meta-data")).toBe(metaData);
    expect(readdirSync(folder).filter((name) => name.includes(".part"))).toEqual([]);
  });

  test("is not made of what is no seed of ours", async () => {
    for (const text of ["", "instance-id: i-1\n", `  instance-id: "${old}"\n`]) {
      writeFileSync(from(), text);
      const made = renewSeed({ do: "renew-seed", from: from(), to: to(), instanceId: other });
      await expect(made).rejects.toMatchObject({ code: "integrity" });
      expect(existsSync(to())).toBe(false);
    }
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
