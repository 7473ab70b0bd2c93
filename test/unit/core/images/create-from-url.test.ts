import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { type CreateFromUrlOptions, createImageFromUrl } from "../../../../src/core/images/create-from-url.ts";
import { parseSum, sumIn } from "../../../../src/core/images/download-source.ts";
import type { Image } from "../../../../src/core/model/state.ts";
import { CLUSTER_BYTES } from "../../../fake/host.ts";
import { sumOf } from "../../../fake/host-files.ts";
import { newFile } from "../../../fake/host-images.ts";
import type { FakeFile } from "../../../fake/host-machine.ts";
import { ENDINGS } from "../ends.ts";
import {
  type Bed,
  bed,
  CONTENT,
  command,
  endEverywhere,
  everything,
  imageNamed,
  orphansAndGaps,
  type Process,
} from "./world.ts";

const URL = "https://images.example.org/12/disk.qcow2";
const LIST = "https://images.example.org/12/SHA512SUMS";
const KEYRING = "/etc/keys/images.gpg";

function serving(file: Partial<FakeFile> = {}): Bed {
  const on = bed();
  const clusters = new Map(Object.entries(CONTENT).map(([cluster, word]) => [Number(cluster), word]));
  on.machine.web.set(URL, { image: newFile({ sizeBytes: 16 * CLUSTER_BYTES, clusters, ...file }) });
  return on;
}

function sumOn(on: Bed, algorithm: "sha256" | "sha512" = "sha256") {
  const image = on.machine.web.get(URL)?.image as FakeFile;
  const machine = { ...on.machine, files: new Map([["served", image]]) };
  return { algorithm, hex: sumOf(machine, "served", algorithm) };
}

function withList(on: Bed, { name = "disk.qcow2", signed = true, hex = sumOn(on, "sha512").hex } = {}): Bed {
  on.machine.web.set(LIST, { text: `${hex}  ${name}\n` });
  if (signed) on.machine.web.set(`${LIST}.sign`, { text: `signed with ${KEYRING}` });
  return on;
}

const list = (keyring: string | null = null) => ({ kind: "list", where: LIST, keyring }) as const;

function fromUrl(changes: Partial<CreateFromUrlOptions> = {}): CreateFromUrlOptions {
  return { ...imageNamed("debian12"), url: URL, expected: { kind: "none" }, diskFormat: null, ...changes };
}

async function made(on: Bed, changes: Partial<CreateFromUrlOptions> = {}) {
  const world = command(on);
  return { world, image: (await createImageFromUrl(world, fromUrl(changes))) as Image };
}

const downloads = ({ host }: Process) => host.performed.filter((action) => action.do === "download").length;
const kept = (on: Bed) => [...on.machine.files.keys()].filter((path) => path.includes(".download"));

describe("an image from a URL", () => {
  test("is one from a file, which says where it came from and by what it was compared", async () => {
    const on = serving();
    const { hex } = sumOn(on);
    const { world, image } = await made(on, { expected: { kind: "sum", sum: sumOn(on) } });
    const { layers, images } = await world.store.read();
    const layer = layers[image.disks[0]?.layer ?? ""];
    expect(images[image.id]).toMatchObject({
      type: "base",
      source: { kind: "url", id: null, name: URL },
      download: { url: URL, checksum: `sha256:${hex}`, verified: "checksum" },
    });
    expect(world.host.read(layer?.file ?? "")).toEqual(CONTENT);
    expect(layer).toMatchObject({ frozen: true, parent: null, foreign: null });
    expect(await orphansAndGaps(world)).toEqual([]);
    expect(world.notes).toEqual([]);
  });

  test("for which nothing vouches says so, with the sum that was found", async () => {
    const on = serving();
    const { world, image } = await made(on);
    const checksum = `sha256:${sumOn(on).hex}`;
    expect(image.download).toEqual({ url: URL, checksum, verified: "none" });
    expect(world.notes).toEqual([expect.stringContaining(checksum)]);
  });

  test("is vouched for by a list, and by who has signed that", async () => {
    const on = withList(serving());
    const checksum = `sha512:${sumOn(on, "sha512").hex}`;
    expect((await made(on, { expected: list() })).image.download).toMatchObject({ checksum, verified: "checksum" });
    const { image } = await made(on, { name: "signed", expected: list(KEYRING) });
    expect(image.download).toEqual({ url: URL, checksum, verified: "signature" });
  });

  test("is vouched for by what lies inside of a clearsigned list alone", async () => {
    const on = serving();
    const text = `-----BEGIN PGP SIGNED MESSAGE-----\nSHA256 (disk.qcow2) = ${sumOn(on).hex}\nsigned with ${KEYRING}`;
    on.machine.web.set(LIST, { text });
    expect((await made(on, { expected: list(KEYRING) })).image.download?.verified).toBe("signature");
  });

  test("shows its plan, and fetches no more than the list, in a dry run", async () => {
    const on = withList(serving());
    const before = everything(on);
    const world = command(on, { dryRun: true });
    const plan = await createImageFromUrl(world, fromUrl({ expected: list(KEYRING) }));
    expect(plan).toMatchObject({ notes: [expect.stringMatching(/^It must have the sum sha512:.*signed list/)] });
    const commands = "steps" in plan ? plan.steps.flatMap((step) => step.commands.map(({ program }) => program)) : [];
    expect(commands).toEqual(["curl", "qemu-img", "mv", "rm"]);
    expect(everything(on)).toBe(before);
  });
});

describe("nothing is kept", () => {
  const wrong = { kind: "sum", sum: parseSum(`sha256:${"0".repeat(64)}`) } as const;
  const signed = { text: `signed with ${KEYRING}` };
  test.each<[string, string, RegExp, () => Bed, Partial<CreateFromUrlOptions>]>([
    ["of what has another sum", "integrity", /its sum is sha256:.* and not sha256:0000/, serving, { expected: wrong }],
    [
      "of what has another sum in the list",
      "integrity",
      /and not sha512/,
      () => withList(serving(), { hex: "0".repeat(128) }),
      { expected: list() },
    ],
    ["of what is not there", "host", /404/, bed, {}],
    [
      "of what names another file",
      "host",
      /names/,
      () => serving({ backing: { path: "/etc/shadow", format: "raw" } }),
      {},
    ],
    ["of what was cut off before it was put there", "host", /3 faults/, () => serving({ faults: 3 }), {}],
    ["of a raw disk that nobody called one", "host", /./, () => serving({ format: "raw" }), {}],
  ])("%s", async (_, code, message, on, changes) => {
    const there = on();
    const before = everything(there);
    const refused = createImageFromUrl(command(there), fromUrl(changes));
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(everything(there)).toBe(before);
  });

  test.each<[string, string, RegExp, () => Bed]>([
    ["a list that is not there", "host", /there is no such file/, serving],
    ["a list without the file", "host", /no SHA-256 or SHA-512 of "disk/, () => withList(serving(), { name: "x" })],
    ["a list that nobody signed", "host", /it is not signed/, () => withList(serving(), { signed: false })],
    [
      "a list that another signed",
      "integrity",
      /not of this text/,
      () => {
        const on = withList(serving());
        on.machine.web.set(`${LIST}.sign`, { text: `${signed.text}.old` });
        return on;
      },
    ],
  ])("and nothing is downloaded, with %s", async (_, code, message, on) => {
    const world = command(on());
    const refused = createImageFromUrl(world, fromUrl({ expected: list(KEYRING) }));
    await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
    expect(downloads(world)).toBe(0);
  });
});

test.each<[string, string, RegExp, Partial<CreateFromUrlOptions>]>([
  ["another scheme", "usage", /ftp: is not fetched/, { url: "ftp://h/x" }],
  ["a file", "usage", /file: is not fetched/, { url: "file:///etc/passwd" }],
  ["what is no URL", "usage", /it is no URL/, { url: "h/x" }],
  ["a password in it", "usage", /a name or a password/, { url: "https://ana:secret@h/x" }],
  ["plain http that nothing vouches for", "usage", /plain http/, { url: "http://h/x" }],
  [
    "plain http with a list that comes the same way",
    "usage",
    /plain http/,
    { url: "http://h/x", expected: { kind: "list", where: "http://h/SHA256SUMS", keyring: null } },
  ],
  ["a packed file", "host", /it is packed \(xz\)/, { url: "https://h/disk.raw.xz?x=1" }],
])("a URL is refused that is %s", async (_, code, message, changes) => {
  const on = serving();
  const before = everything(on);
  const refused = createImageFromUrl(command(on), fromUrl(changes));
  await expect(refused).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  await expect(refused).rejects.toMatchObject({ message: expect.not.stringContaining("secret") });
  expect(everything(on)).toBe(before);
});

describe("a download", () => {
  test("that came whole is gone on with where the copy was interrupted", async () => {
    const on = serving();
    const interruption = new AbortController();
    const world = command(on, { signal: interruption.signal });
    const { perform } = world.host;
    world.host.perform = async (action, how) => {
      if (action.do === "convert") interruption.abort();
      await perform(action, how);
    };
    await expect(createImageFromUrl(world, fromUrl())).rejects.toMatchObject({ code: "interrupted" });
    expect(kept(on)).toHaveLength(2);
    await made(on);
    expect(kept(on)).toEqual([]);
  });

  test("is one at a time from one URL", async () => {
    const on = serving();
    const world = command(on);
    const { perform } = world.host;
    let second: Promise<unknown> = Promise.resolve();
    world.host.perform = async (action, how) => {
      if (action.do === "download") {
        second = made(on, { name: "two" });
        await expect(second).rejects.toMatchObject({
          code: "conflict",
          message: expect.stringMatching(/^a download from that URL: another operation is in progress/),
        });
      }
      await perform(action, how);
    };
    await createImageFromUrl(world, fromUrl());
    await expect(second).rejects.toThrow();
  });

  describe.each(ENDINGS)("%s", (_, ending) => {
    test("is made anew, gone on with, or there, and leaves nothing behind", async () => {
      const work = (world: Process) => createImageFromUrl(world, fromUrl());
      await endEverywhere(
        ending,
        async () => serving(),
        work,
        async (world, where) => {
          const { images } = await world.store.read();
          const names = Object.values(images).map(({ name }) => name);
          expect(["", "debian12"], where).toContain(names.join());
          if (names.length === 0) await work(world);
          const left = (await orphansAndGaps(world)).filter((path) => !path.includes(".download"));
          expect(left, where).toEqual([]);
          expect(await world.store.journal.list(), where).toEqual([]);
        },
      );
    });
  });
});

describe("a list of sums", () => {
  const [a, b] = ["a", "b"].map((digit) => digit.repeat(64)) as [string, string];
  const long = "c".repeat(128);
  test.each([
    ["as sha256sum writes it", `${b}  other.qcow2\n${a}  disk.qcow2\n`, `sha256:${a}`],
    ["of binaries, below this folder", `${a} *./disk.qcow2\r\n`, `sha256:${a}`],
    ["as Fedora writes it", `# disk.qcow2: 10 bytes\nSHA256 (disk.qcow2) = ${a}\n`, `sha256:${a}`],
    ["as BSD writes it, in capitals", `SHA512 (disk.qcow2) = ${long.toUpperCase()}\n`, `sha512:${long}`],
    ["with both kinds", `SHA256 (disk.qcow2) = ${a}\nSHA512 (disk.qcow2) = ${long}\n`, `sha512:${long}`],
    ["that says it twice", `${a}  disk.qcow2\n${a}  disk.qcow2\n`, `sha256:${a}`],
    ["that says two things", `${a}  disk.qcow2\n${b}  disk.qcow2\n`, null],
    ["of another folder", `${a}  old/disk.qcow2\n`, null],
    ["of MD5", `${"a".repeat(32)}  disk.qcow2\nMD5 (disk.qcow2) = ${"a".repeat(32)}\n`, null],
    ["with a sum of the wrong length", `SHA256 (disk.qcow2) = ${long}\n${a}0  disk.qcow2\n`, null],
    ["that only mentions it", `${a}  disk.qcow2.sig\n${b} disk.qcow2 \n`, null],
  ])("%s is read", (_, text, expected) => {
    const sum = sumIn(text, "disk.qcow2");
    expect(sum && `${sum.algorithm}:${sum.hex}`).toBe(expected);
  });

  test.each(["", "sha256:", "md5:d41d8cd98f00b204e9800998ecf8427e", `sha256:${"a".repeat(63)}`, "a".repeat(64)])(
    "a sum is not %j",
    (text) => {
      expect(() => parseSum(text)).toThrow(expect.objectContaining({ code: "usage" }));
    },
  );

  test("a sum may be in capitals", () => {
    const hex = createHash("sha256").digest("hex");
    expect(parseSum(`SHA256:${hex.toUpperCase()}`)).toEqual({ algorithm: "sha256", hex });
  });
});
