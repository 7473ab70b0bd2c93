/** Files of disks, changed by the real qemu-img. */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import type { Action } from "../../../src/core/model/action.ts";
import { createHost } from "../../../src/host/index.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-disk-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

const programs = join(folder, "bin");
const log = join(folder, "log");
/**
 * A qemu-img that says which files it has inherited from the third descriptor on, and with which words it was called.
 */
const SHIM = `#!/bin/sh
echo "$1 $(readlink /proc/self/fd/* | tr '\\n' ' ')" >>"$LOG"
PATH="$REAL" exec qemu-img "$@"
`;
mkdirSync(programs);
writeFileSync(join(programs, "qemu-img"), SHIM, { mode: 0o755 });
const PATH = process.env.PATH ?? "";
const host = createHost({
  uri: "test:///default",
  env: { PATH: `${programs}:${PATH}`, REAL: PATH, LOG: log },
});

const BYTES = 1048576;
let count = 0;

/** A file of a disk, on another where one is named. */
async function disk(backing: string | null = null): Promise<string> {
  count += 1;
  const path = join(folder, `disk-${count}.qcow2`);
  await host.perform({
    do: "create-disk",
    path,
    backing: backing === null ? null : { path: backing, format: "qcow2" },
    sizeBytes: BYTES,
  });
  return path;
}

describe("a frozen file", () => {
  const frozen = async () => {
    const [base, other] = [await disk(), await disk()];
    const top = await disk(base);
    return { base, other, top };
  };
  const actions: [string, (files: { base: string; other: string; top: string }) => [string, Action]][] = [
    ["commit", ({ base, top }) => [base, { do: "commit", top, topFormat: "qcow2", base }]],
    ["rebase", ({ top, other }) => [top, { do: "rebase", file: top, backing: { path: other, format: "qcow2" } }]],
    ["relink", ({ top, other }) => [top, { do: "relink", file: top, backing: { path: other, format: "qcow2" } }]],
    ["resize-disk", ({ top }) => [top, { do: "resize-disk", path: top, format: "qcow2", sizeBytes: 2 * BYTES }]],
  ];
  // root may write to it all the same: nothing but this check keeps it as it is.
  test.each(actions)("is not written to by %s", async (_, actionOf) => {
    const [path, action] = actionOf(await frozen());
    const before = readFileSync(path);
    chmodSync(path, 0o400);
    await expect(host.perform(action)).rejects.toMatchObject({ code: "conflict" });
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(statSync(path).mode & 0o777).toBe(0o400);
  });
});

test("what stands on a file by a name that says more than it needs to is merged into it, and made once", async () => {
  mkdirSync(join(folder, "sub"));
  const base = await disk();
  for (const name of [base.replace(folder, `${folder}/`), base.replace(folder, `${folder}/./sub/..`)]) {
    const top = await disk(name);
    const again = { path: name, format: "qcow2" };
    await host.perform({ do: "create-disk", path: top, backing: again, sizeBytes: BYTES });
    await host.perform({ do: "commit", top, topFormat: "qcow2", base: name });
  }
  const other = await disk();
  const refused = host.perform({ do: "commit", top: await disk(base), topFormat: "qcow2", base: other });
  await expect(refused).rejects.toMatchObject({ code: "integrity" });
});

describe("a child that changes a disk inherits the locks", () => {
  beforeEach(() => writeFileSync(log, ""));

  const actions: [string, () => Promise<Action>][] = [
    ["create", async () => ({ do: "create-disk", path: join(folder, "new.qcow2"), backing: null, sizeBytes: BYTES })],
    [
      "commit",
      async () => {
        const base = await disk();
        return { do: "commit", top: await disk(base), topFormat: "qcow2", base };
      },
    ],
    ["rebase", async () => ({ do: "rebase", file: await disk(await disk()), backing: null })],
    ["resize", async () => ({ do: "resize-disk", path: await disk(), format: "qcow2", sizeBytes: 2 * BYTES })],
    [
      "convert",
      async () => ({
        ...{ do: "convert", from: await disk(), fromFormat: "qcow2", to: join(folder, "copy.qcow2") },
        ...{ toFormat: "qcow2", compress: false, mode: 0o600 },
      }),
    ],
  ];
  test.each(actions)("qemu-img %s", async (verb, actionOf) => {
    const action = await actionOf();
    writeFileSync(log, "");
    const lock = join(folder, "a.lock");
    const fd = openSync(lock, "w");
    await host.perform(action, { lockFds: [fd] });
    closeSync(fd);
    const calls = readFileSync(log, "utf8")
      .split("\n")
      .filter((line) => line.startsWith(`${verb} `));
    expect(calls.length).toBeGreaterThan(0);
    expect(calls.filter((line) => !line.includes(lock))).toEqual([]);
  });
});

describe("sums of a copy while it is written", () => {
  const BLOCK_BYTES = 65536;
  const key = join(folder, "key");
  writeFileSync(key, "open sesame\n");
  const copies: [string, Partial<Extract<Action, { do: "convert" }>>][] = [
    ["a plain one", {}],
    ["a compressed one", { compress: true }],
    ["a raw one", { toFormat: "raw" }],
    ["an encrypted one", { encrypt: { passphraseFile: key } }],
  ];
  test.each(copies)("%s has those of all its blocks", async (_, change) => {
    const [from, to] = [await disk(), join(folder, `summed-${count}`)];
    const told: [string, readonly string[]][] = [];
    const plain = { do: "convert", from, fromFormat: "qcow2", to, toFormat: "qcow2", compress: false } as const;
    await host.perform(
      { ...plain, mode: 0o600, ...change },
      { sums: { blockBytes: BLOCK_BYTES, taken: (path, sums) => told.push([path, sums]) } },
    );
    expect(told).toEqual([[to, (await host.blockSums(to, BLOCK_BYTES)).sums]]);
  });
});
