import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { copyFile } from "../../src/host/files.ts";
import { holdFile } from "../../src/host/held-file.ts";
import { requireImages } from "../../src/host/image-chain.ts";
import { createProcesses } from "../../src/host/process.ts";
import { countFaults, imageInfo } from "../../src/host/qemu-img.ts";
import { readPassphrase } from "../../src/host/secrets.ts";
import type { Virsh } from "../../src/host/virsh.ts";
import { openOutside, readOutside, readOutsideSync } from "../../src/outside-file.ts";
import { readSettingsFile } from "../../src/store/settings-file.ts";
import { runLine } from "./commands/line.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-outside-"));
const [fifo, file, link] = [join(folder, "fifo"), join(folder, "file"), join(folder, "link")];
const overlay = join(folder, "overlay.qcow2");
const NO_VIRSH = {} as Virsh; // nothing of it is encrypted
const never = new AbortController().signal;

beforeAll(() => {
  expect(spawnSync("mkfifo", [fifo]).status).toBe(0);
  writeFileSync(file, "words");
  symlinkSync(file, link);
  const made = spawnSync("qemu-img", ["create", "-q", "-u", "-f", "qcow2", "-F", "qcow2", "-b", fifo, overlay, "1M"]);
  expect(made.status).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true }));

const refused = { code: "host", message: expect.stringMatching(/regular file|neither a file nor a disk/) };

describe("a pipe, a device or a folder in the place of a file", () => {
  test.each([
    ["a file of another store", () => openOutside(fifo)],
    ["a small file", () => readOutside(fifo, { maxBytes: 9 })],
    ["a device", () => readOutside("/dev/zero", { maxBytes: 9 })],
    ["a folder", () => openOutside(folder)],
    ["a firmware state", () => copyFile(fifo, join(folder, "copy"), 0o600)],
    ["a lender's layer", () => holdFile(fifo)],
    ["a passphrase", () => readPassphrase(fifo)],
    ["an image", () => imageInfo(createProcesses({ env: process.env }), fifo)],
    ["what is copied", () => requireImages({ path: fifo, format: "raw" })],
    [
      "what a disk of a backup stands on",
      () => countFaults(createProcesses({ env: process.env }), NO_VIRSH, { path: overlay }),
    ],
    ["the settings", async () => readSettingsFile(fifo)],
  ])("is refused at once: %s", async (_what, opened) => {
    await expect(opened()).rejects.toMatchObject(refused);
  });

  test("and a link is followed where a person named it alone", async () => {
    expect((await readOutside(link, { maxBytes: 9 })).toString()).toBe("words");
    await expect(openOutside(link, false)).rejects.toMatchObject(refused);
  });
});

test("a folder that an option names is told as that", async () => {
  for (const line of [`instance create web1 --image none --user-data ${folder}`, `keypair import k --file ${folder}`]) {
    const { exit, stderr } = await runLine(line.split(" "), { signal: never, env: {} });
    expect({ exit, stderr }, line).toEqual({
      exit: 6,
      stderr: expect.stringMatching(/: it is a folder\./),
    });
  }
});

test("no more is read than a file may hold", async () => {
  const large = { code: "host", message: expect.stringContaining("larger than 4 bytes") };
  await expect(readOutside(file, { maxBytes: 4 })).rejects.toMatchObject(large);
  await expect(readOutside("/dev/zero", { maxBytes: 4, mayBePipe: true })).rejects.toMatchObject(large);
  expect(() => readOutsideSync(file, 4)).toThrow(expect.objectContaining(large));
});

describe("a pipe that a person names", () => {
  const write = (line: string) => spawn("sh", ["-c", line], { env: { ...process.env, FIFO: fifo }, stdio: "ignore" });

  test("is read to its end, also where it begins late and comes in pieces", async () => {
    write('sleep 0.3; { echo one; sleep 0.3; echo two; } > "$FIFO"');
    expect((await readOutside(fifo, { maxBytes: 99, mayBePipe: true })).toString()).toBe("one\ntwo\n");
  });

  test("and that nothing comes out of is given up", async () => {
    const rules = { maxBytes: 99, mayBePipe: true, waitMs: 200 };
    await expect(readOutside(fifo, rules)).rejects.toMatchObject({ code: "host", message: /nothing comes out/ });
  });

  test("is left at an interruption", async () => {
    const ending = new AbortController();
    const read = readOutside(fifo, { maxBytes: 99, mayBePipe: true, signal: ending.signal });
    setTimeout(() => ending.abort(), 50);
    await expect(read).rejects.toMatchObject({ code: "interrupted" });
  });

  test("may hold user data or a public key, and no more of either than fits", async () => {
    for (const words of [
      ["instance", "create", "web1", "--image", "none", "--user-data", "/dev/zero"],
      ["keypair", "import", "k", "--file", "/dev/zero"],
    ]) {
      const { exit, stderr } = await runLine(words, { signal: never });
      expect({ exit, stderr }, words[0]).toEqual({ exit: 6, stderr: expect.stringContaining("larger than") });
    }
  });
});
