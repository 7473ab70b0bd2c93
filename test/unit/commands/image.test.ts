import { expect, test } from "vitest";
import { fakeHost } from "../../fake/host.ts";
import { newFile } from "../../fake/host-images.ts";
import { fakeDisk, fakeStore } from "../../fake/store.ts";
import { type LineOptions, runLine } from "./line.ts";

const CONTENT = { 0: "boot", 3: "root" };
const SUM = `sha256:${"a".repeat(64)}`;

async function withImage() {
  const host = fakeHost();
  host.addFile("/in/debian.qcow2", { content: CONTENT });
  host.addFile("/out/other");
  const at = { host, store: fakeStore() };
  const made = await runLine(
    ["image", "create", "golden", "--file", "/in/debian.qcow2", "--property", "os=debian"],
    at,
  );
  expect(made.exit).toBe(0);
  return at;
}

const json = async (words: readonly string[], at: LineOptions) =>
  JSON.parse((await runLine([...words, "-f", "json"], at)).stdout) as unknown;

test("image show has the keys that the contract names, in snake_case", async () => {
  expect(await json(["image", "show", "golden"], await withImage())).toEqual({
    id: "img-00000000000000001",
    name: "golden",
    type: "base",
    owner: "ana",
    visibility: "private",
    shared_with: [],
    status: "active",
    disks: [{ device: "vda", size_bytes: 1048576 }],
    size_bytes: 1048576,
    min_disk_bytes: 1048576,
    min_ram_bytes: 0,
    source: { kind: "file", id: null, name: "/in/debian.qcow2" },
    source_url: null,
    checksum: null,
    verified: null,
    created_at: "2025-01-01T00:00:00.000Z",
    protected: false,
    properties: { os: "debian" },
  });
});

test("--sysprep of what is no snapshot is refused, of a URL too", async () => {
  for (const source of [
    ["--url", "https://images.example.org/disk.qcow2"],
    ["--file", "/x"],
    ["--from-volume", "v"],
  ]) {
    const { exit, stderr } = await runLine(["image", "create", "x", ...source, "--sysprep"]);
    expect({ exit, stderr }).toEqual({ exit: 2, stderr: expect.stringContaining("--sysprep without --from-snapshot") });
  }
});

test("image show says where an image came from, and a list is filtered by what vouches for it", async () => {
  const at = await withImage();
  const url = "https://images.example.org/disk.qcow2";
  at.host.machine.web.set(url, { image: newFile({ sizeBytes: 65536 }) });
  const made = await runLine(["image", "create", "loaded", "--url", url, "-f", "json"], at);
  expect(made).toMatchObject({ exit: 0, stderr: expect.stringMatching(/nothing vouches for it.*sha256:[0-9a-f]{64}/) });
  const shown = await json(["image", "show", "loaded"], at);
  const checksum = expect.stringMatching(/^sha256:[0-9a-f]{64}$/);
  expect(shown).toMatchObject({ source: { kind: "url", name: url }, source_url: url, checksum, verified: "none" });
  const names = ["-f", "value", "-c", "name"];
  expect((await runLine(["image", "list", "--filter", "verified=none", ...names], at)).stdout).toBe("loaded\n");
});

test("image list prints what is asked for, and an empty list as one", async () => {
  const at = await withImage();
  expect((await runLine(["image", "list", "--owner", "self", "-f", "value", "-c", "name"], at)).stdout).toBe(
    "golden\n",
  );
  expect(await json(["image", "list", "--owner", "bea"], at)).toEqual([]);
  expect(await json(["image", "list", "--type", "snapshot"], at)).toEqual([]);
});

test.each([
  ["no source", []],
  ["two sources", ["--file", "/in/debian.qcow2", "--from-instance", "web1"]],
  ["a format without a file", ["--from-instance", "web1", "--disk-format", "raw"]],
  ["a disk left out of a file", ["--file", "/in/debian.qcow2", "--exclude-disk", "vdb"]],
  ["an unknown format", ["--file", "/in/debian.qcow2", "--disk-format", "vmdk"]],
  ["preparing a file", ["--file", "/in/debian.qcow2", "--sysprep"]],
  ["a sum of a file", ["--file", "/in/debian.qcow2", "--checksum", SUM]],
  ["a list of sums and a sum", ["--url", "https://h/x", "--checksum", SUM, "--checksums", "SHA256SUMS"]],
  ["a keyring without a list", ["--url", "https://h/x", "--keyring", "images.gpg"]],
  ["a malformed sum", ["--url", "https://h/x", "--checksum", "d41d8cd98f00b204e9800998ecf8427e"]],
  ["another scheme", ["--url", "ftp://h/x", "--checksum", SUM]],
  ["a list by another scheme", ["--url", "https://h/x", "--checksums", "ftp://h/SHA256SUMS"]],
  ["plain http that nothing vouches for", ["--url", "http://h/x"]],
  ["a malformed size", ["--file", "/in/debian.qcow2", "--min-ram", "lots"]],
])("image create refuses %s in one line", async (_, words) => {
  const result = await runLine(["image", "create", "silver", ...words], await withImage());
  expect(result).toMatchObject({ exit: 2, stdout: "" });
  expect(result.stderr).toMatch(/^estrato: .*\.\n$/);
});

test("image set prints nothing, and changes what is shown", async () => {
  const at = await withImage();
  expect(await runLine(["image", "set", "golden", "--name", "silver", "--protect", "--min-ram", "1K"], at)).toEqual({
    exit: 0,
    stdout: "",
    stderr: "",
  });
  expect(await json(["image", "show", "silver"], at)).toMatchObject({ protected: true, min_ram_bytes: 1024 });
  expect((await runLine(["image", "set", "silver", "--protect", "--unprotect"], at)).exit).toBe(2);
});

test("image delete tries all targets, and deregister is another word for it", async () => {
  const at = await withImage();
  const result = await runLine(["image", "deregister", "golden", "gone"], at);
  expect(result.exit).toBe(3);
  expect(result.stderr).toContain("1 of 2 images failed to delete");
  expect(await json(["image", "list"], at)).toEqual([]);
});

test("image delete --dry-run says what would be freed", async () => {
  const at = await withImage();
  expect(await json(["image", "delete", "golden", "--dry-run"], at)).toMatchObject({ frees_bytes: 131072 });
  expect(await json(["image", "list"], at)).toHaveLength(1);
});

test("image create takes no image from a terminal", async () => {
  const refused = await runLine(["image", "create", "typed", "--file", "-"], {
    ...(await withImage()),
    terminal: true,
  });
  expect(refused).toMatchObject({ exit: 2, stdout: "" });
  expect(refused.stderr).toContain("standard input is a terminal");
});

test("image save writes a file, and never to a terminal", async () => {
  const at = await withImage();
  expect((await runLine(["image", "save", "golden", "--file", "/out/golden.qcow2"], at)).exit).toBe(0);
  expect(at.host.read("/out/golden.qcow2")).toEqual(CONTENT);
  expect((await runLine(["image", "save", "golden", "--file", "/out/golden.qcow2"], at)).exit).toBe(5);
  const refused = await runLine(["image", "save", "golden", "--file", "-"], { ...at, terminal: true });
  expect(refused.exit).toBe(2);
  expect(refused.stderr).toContain("terminal");
});

test("usage prints a table, and one object as JSON", async () => {
  const at = await withImage();
  expect((await runLine(["usage"], at)).stdout).toMatch(/^images +1 +1 MiB +128 KiB +128 KiB$/m);
  expect(await json(["usage"], at)).toMatchObject({
    kinds: [
      { kind: "volumes", count: 0 },
      { kind: "snapshots", count: 0 },
      { kind: "images", count: 1, virtual_bytes: 1048576, allocated_bytes: 131072, exclusive_bytes: 131072 },
      { kind: "hidden", count: 0 },
      { kind: "total", count: 1 },
    ],
    hidden: [],
  });
});

test("usage of a noun says of each thing what is its own", async () => {
  const at = await withImage();
  const [golden] = ((await json(["usage", "image"], at)) as { things: unknown[] }).things;
  expect(golden).toMatchObject({
    ...{ kind: "image", name: "golden", allocated_bytes: 131072, exclusive_bytes: 131072 },
    ...{ shared_bytes: 0, waiting_bytes: 0 },
  });
  expect(await json(["usage", "image", "golden"], at)).toMatchObject({ things: [golden], kinds: [] });
  expect((await runLine(["usage", "image", "nosuch"], at)).exit).toBe(4);
  expect((await runLine(["usage", "imag"], at)).stderr).toMatch(/^estrato: usage "imag": unknown/);
});

test("image share wants to know with whom, tries all targets, and is found where image_stores says; unshare takes back", async () => {
  const at = await withImage();
  at.host.machine.users = [{ name: "bea", uid: 3004, home: "/home/bea" }];
  expect(await runLine(["image", "share", "golden"], at)).toMatchObject({
    exit: 2,
    stdout: "",
    stderr: "estrato: image share: with whom is not said. Say --with USER or --public.\n",
  });
  const shared = await runLine(["image", "share", "golden", "gone", "--with", "bea"], at);
  expect(shared).toMatchObject({ exit: 3, stdout: "" });
  expect(shared.stderr).toContain("1 of 2 images failed to share");
  expect(await json(["image", "show", "golden"], at)).toMatchObject({ visibility: "shared", shared_with: ["bea"] });
  const other = {
    host: fakeHost({ machine: at.host.machine, uid: 3004 }),
    store: fakeStore({ home: "/fake/other" }),
    env: { ESTRATO_IMAGE_STORES: "/fake/estrato" },
  };
  expect(await json(["image", "list"], { ...other, env: {} })).toEqual([]);
  expect(await json(["image", "list"], other)).toMatchObject([
    { name: "golden", owner: "ana", shared_with: [], source: null },
  ]);
  expect(await json(["image", "list", "--owner", "self"], { ...other })).toEqual([]);
  const disk = { ...fakeDisk(), isMade: false };
  const newcomer = { ...other, store: fakeStore({ home: "/fake/other", disk }) };
  const seen = await runLine(["image", "list", "-f", "value", "-c", "name"], newcomer);
  expect(seen).toMatchObject({ exit: 0, stdout: "golden\n" });
  expect(seen.stderr).toBe("there is no store at /fake/other: only what others share is listed\n");
  const named = { ...newcomer, env: { ...other.env, ESTRATO_HOME: "/fake/other" } };
  for (const [words, how] of [
    [["image", "list"], { ...newcomer, env: {} }],
    [["image", "list"], named],
    [["image", "list", "--owner", "self"], newcomer],
  ] as const)
    expect(await runLine(words, how)).toMatchObject({
      exit: 6,
      stderr: expect.stringContaining("there is no store at /fake/other"),
    });
  expect(disk.isMade).toBe(false);
  expect((await runLine(["image", "delete", "golden"], other)).exit).toBe(5);
  expect((await runLine(["image", "unshare", "golden", "--with", "carl"], at)).exit).toBe(4);
  expect((await runLine(["image", "unshare", "golden"], at)).exit).toBe(0);
  expect(await json(["image", "list"], other)).toEqual([]);
});
