/**
 * The real libguestfs keeps the contract. Its machine takes ten seconds of a processor to start where there is no
 * KVM, so that one start serves all of it: the tree that wants to do harm, an encrypted chain, and a journal that was
 * not played.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createHost } from "../../src/host/index.ts";
import { type GuestRig, guestFilesContract, hostileTree } from "./guest-files-contract.ts";
import { bedFolder } from "./real-rig.ts";

const BLOCK_BYTES = 1024;
const SECRET = "5ec12e70-0000-4000-8000-0000000000f1";

/** An ext4 of these bytes, and in it what is in `tree`. */
function fileSystem(path: string, megabytes: number, tree: string | null): void {
  writeFileSync(path, "");
  truncateSync(path, megabytes * 2 ** 20);
  const from = tree === null ? [] : ["-d", tree];
  execFileSync("mke2fs", ["-q", "-t", "ext4", "-b", String(BLOCK_BYTES), "-J", "size=4", ...from, path]);
}

/** Puts a file into it, and what that changes into its journal alone: as a guest that lost its power leaves it. */
function writeIntoJournal(path: string, folder: string, name: string, text: string): void {
  const [file, after] = [join(folder, "text"), join(folder, "after.raw")];
  writeFileSync(file, text);
  execFileSync("cp", [path, after]);
  execFileSync("debugfs", ["-w", "-R", `write ${file} ${name}`, after], { stdio: "ignore" });
  const [old, made] = [readFileSync(path), readFileSync(after)];
  const changed: number[] = [];
  for (let block = 0; block * BLOCK_BYTES < old.length; block += 1) {
    const [from, to] = [block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES];
    if (!old.subarray(from, to).equals(made.subarray(from, to))) changed.push(block);
  }
  const blocks = join(folder, "blocks");
  writeFileSync(
    blocks,
    Buffer.concat(changed.map((block) => made.subarray(block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES))),
  );
  const script = join(folder, "script");
  writeFileSync(script, `jo\njw -b ${changed.join(",")} ${blocks}\njc\n`);
  execFileSync("debugfs", ["-w", "-f", script, path], { stdio: "ignore" });
  const without = execFileSync("debugfs", ["-R", `stat /${name}`, path], { encoding: "utf8", stdio: "pipe" });
  expect(without).not.toContain("Inode:");
}

async function realRig(): Promise<GuestRig> {
  const folder = mkdtempSync(join(bedFolder(), "files-"));
  const at = (name: string) => join(folder, name);
  const host = createHost({ uri: "qemu:///system", env: process.env });
  for (const name of ["hostile", "secret-tree"]) mkdirSync(at(name));
  hostileTree(at("hostile"));
  fileSystem(at("vda.raw"), 32, at("hostile"));
  writeFileSync(at("secret-tree/secret"), "sesame");
  fileSystem(at("plain.raw"), 16, at("secret-tree"));
  writeFileSync(at("passphrase"), "open sesame\n", { mode: 0o600 });
  await host.perform({ do: "define-secret", secret: SECRET, description: "of files", file: at("passphrase") });
  const encrypt = { secret: SECRET };
  const copied = { do: "convert", from: at("plain.raw"), fromFormat: "raw", to: at("base.qcow2") } as const;
  await host.perform({ ...copied, toFormat: "qcow2", compress: false, mode: 0o400, encrypt });
  const backing = { path: at("base.qcow2"), format: "qcow2" };
  await host.perform({ do: "create-disk", path: at("vdb.qcow2"), backing, sizeBytes: 2 ** 24, secret: SECRET });
  fileSystem(at("vdc.raw"), 16, null);
  writeIntoJournal(at("vdc.raw"), folder, "replayed", "only in the journal");
  const disks = [
    { device: "vda", image: { path: at("vda.raw"), format: "raw" }, passphraseFile: null },
    { device: "vdb", image: { path: at("vdb.qcow2"), format: "qcow2", secret: SECRET }, passphraseFile: null },
    { device: "vdc", image: { path: at("vdc.raw"), format: "raw" }, passphraseFile: null },
  ];
  const before = readFileSync(at("vdc.raw"));
  const guest = await host.openGuest(disks, new AbortController().signal);
  return {
    guest,
    folder,
    async close() {
      await guest.close();
      expect(readFileSync(at("vdc.raw")).equals(before)).toBe(true);
      await host.perform({ do: "undefine-secret", secret: SECRET });
      rmSync(folder, { recursive: true });
    },
  };
}

describe("libguestfs", () => {
  let rig: GuestRig;
  guestFilesContract(async () => {
    rig = await realRig();
    return rig;
  });

  async function contentOf(device: string, at: string, name: string): Promise<string> {
    expect(await rig.guest.mount(device, at)).toBeNull();
    const path = `${at}/${name}`;
    const entry = await rig.guest.look(path);
    if (entry === null) throw new Error(`${path}: it is not there`);
    await rig.guest.unpack([{ path, name, entry }], rig.folder, () => {});
    return readFileSync(join(rig.folder, name), "utf8");
  }

  test("reads a chain that is encrypted from its first file on", async () => {
    expect(await contentOf("vdb", "/several", "secret")).toBe("sesame");
  });

  test("reads what is in a journal alone, and writes nothing to the disk", async () => {
    expect(await contentOf("vdc", "/etc/deep/er", "replayed")).toBe("only in the journal");
  });
});
