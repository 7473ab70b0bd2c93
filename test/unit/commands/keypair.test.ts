import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createKey } from "../../../src/core/openssh-key.ts";
import { fakeStore } from "../../fake/store.ts";
import { runLine } from "./line.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "estrato-keypair-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

test("a new key is printed once, and only its public half is kept", async () => {
  const store = fakeStore();
  const { stdout, stderr } = await runLine(["keypair", "create", "k"], { store });
  expect(stdout).toMatch(/^-----BEGIN OPENSSH PRIVATE KEY-----\n[\s\S]+-----END OPENSSH PRIVATE KEY-----\n$/);
  expect(stderr).toBe("");
  expect(store.disk.state).not.toContain("PRIVATE");
  const quiet = await runLine(["keypair", "create", "k2", "-q"], { store });
  expect(quiet.stdout).toContain("BEGIN OPENSSH PRIVATE KEY");
});

test("a line that would lose the private key is refused", async () => {
  const store = fakeStore();
  expect((await runLine(["keypair", "create", "k", "-c", "fingerprint"], { store })).exit).toBe(2);
  expect((await runLine(["keypair", "create", "k", "--query", "name"], { store })).exit).toBe(2);
  expect(store.writes).toEqual([]);
});

test("with a file, the key is there for nobody else to read", async () => {
  const file = join(folder, "k");
  const { stdout, stderr } = await runLine(["keypair", "create", "k", "--private-key-file", file, "-f", "json"]);
  expect(JSON.parse(stdout)).toMatchObject({ name: "k", type: "ssh-ed25519", owner: "ana", private_key: null });
  expect(stderr).toBe(`The private key of k is in ${file}.\n`);
  expect(readFileSync(file, "utf8")).toContain("BEGIN OPENSSH PRIVATE KEY");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const quiet = await runLine(["keypair", "create", "q", "--private-key-file", join(folder, "q"), "-q"]);
  expect(quiet).toMatchObject({ exit: 0, stdout: "", stderr: "" });
});

test("a folder that is not there is not found", async () => {
  const nowhere = join(folder, "nowhere", "k");
  expect((await runLine(["keypair", "create", "k", "--private-key-file", nowhere])).exit).toBe(4);
});

test("a file that is there is not written over, and nothing is recorded", async () => {
  const store = fakeStore();
  const file = join(folder, "k");
  writeFileSync(file, "mine");
  const { exit } = await runLine(["keypair", "create", "k", "--private-key-file", file], { store });
  expect(exit).toBe(5);
  expect(readFileSync(file, "utf8")).toBe("mine");
  expect(store.writes).toEqual([]);
});

test("a public key is imported from a file or from standard input, shown and deleted", async () => {
  const store = fakeStore();
  const { publicKey } = createKey("ana@host");
  writeFileSync(join(folder, "k.pub"), `${publicKey.line}\n`);
  expect((await runLine(["keypair", "import", "a", "--file", join(folder, "k.pub")], { store })).exit).toBe(0);
  expect((await runLine(["keypair", "import", "b", "--file", "-"], { store, input: publicKey.line })).exit).toBe(0);
  const shown = await runLine(["keypair", "show", "a", "b", "-f", "value", "-c", "fingerprint"], { store });
  expect(shown.stdout).toBe(`${publicKey.fingerprint}\n${publicKey.fingerprint}\n`);
  expect((await runLine(["keypair", "delete", "a", "b"], { store })).exit).toBe(0);
  expect((await runLine(["keypair", "list", "-f", "json"], { store })).stdout).toBe("[]\n");
});

test("what cannot be read or is no key is refused", async () => {
  expect((await runLine(["keypair", "import", "a", "--file", join(folder, "nix")])).exit).toBe(4);
  expect((await runLine(["keypair", "import", "a", "--file", folder])).exit).toBe(6);
  expect((await runLine(["keypair", "import", "a", "--file", "-"], { input: "nonsense" })).exit).toBe(2);
  expect((await runLine(["keypair", "import", "a", "--file", "-"], { input: "x".repeat(2_000_000) })).exit).toBe(6);
});

test("a dry run refuses a file that is there, or that cannot be made, as the real one does", async () => {
  const store = fakeStore();
  const file = join(folder, "k");
  writeFileSync(file, "mine");
  for (const path of [file, join(folder, "nowhere", "k"), join(file, "k")]) {
    const line = ["keypair", "create", "k", "--private-key-file", path];
    const real = await runLine(line, { store });
    expect(real.exit).toBeGreaterThan(0);
    expect(await runLine([...line, "-n"], { store })).toEqual(real);
  }
});

test("columns behind commas may name the private key", async () => {
  const { exit, stdout } = await runLine(["keypair", "create", "k", "-c", "name,private_key", "-f", "json"]);
  expect({ exit, made: JSON.parse(stdout) }).toEqual({
    exit: 0,
    made: { name: "k", private_key: expect.stringContaining("BEGIN OPENSSH PRIVATE KEY") },
  });
});

test("a dry run makes no key", async () => {
  const store = fakeStore();
  const file = join(folder, "k");
  const { stdout } = await runLine(["keypair", "create", "k", "--private-key-file", file, "-n"], { store });
  expect(stdout).toBe("1. Make an Ed25519 key and record keypair k\n");
  expect(() => statSync(file)).toThrow();
});

test("events are listed, the latest first", async () => {
  const store = fakeStore();
  for (const operation of ["snapshot.create", "snapshot.delete"]) {
    await store.events.append({
      time: "2025-01-01T00:00:00.000Z",
      command: "estrato x",
      operation,
      target: null,
      result: "done",
      user: "ana",
    });
  }
  expect((await runLine(["event", "list", "-f", "value", "-c", "operation"], { store })).stdout).toBe(
    "snapshot.delete\nsnapshot.create\n",
  );
});
