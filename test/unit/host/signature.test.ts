/** recorded/signed: keys that exist for this test alone, and what gpg(1) signed with them. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { signedText } from "../../../src/host/download/signature.ts";
import { createProcesses } from "../../../src/host/process.ts";

const FOLDER = new URL("recorded/signed/", import.meta.url);
const at = (name: string) => new URL(name, FOLDER).pathname;
const read = (name: string) => readFileSync(at(name));
const processes = createProcesses({ env: process.env });
const judge = (keyring: string, message: Uint8Array, signature: Uint8Array | null) =>
  signedText(processes, at(keyring), message, signature);

const LIST = read("SHA256SUMS");

describe("a list of sums", () => {
  test("is what its detached signature says", async () => {
    expect(await judge("keyring.gpg", LIST, read("SHA256SUMS.gpg"))).toEqual({ text: LIST.toString() });
  });

  test("may be signed by others, too, whose keys nobody has", async () => {
    expect(await judge("keyring.gpg", LIST, read("SHA256SUMS.asc"))).toEqual({ text: LIST.toString() });
  });

  test("is what lies inside of its signature, and nothing else", async () => {
    const line = "SHA256 (disk.qcow2) =";
    const around = Buffer.concat([read("CHECKSUM"), Buffer.from(`\n${line} ${"0".repeat(64)}\n`)]);
    for (const message of [read("CHECKSUM"), around]) {
      const signed = await judge("keyring.gpg", message, null);
      expect("text" in signed && signed.text.split("\n").filter((one) => one.startsWith(line))).toEqual([
        `${line} 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881`,
      ]);
    }
  });

  test.each([
    ["was changed", "keyring.gpg", Buffer.from("no list"), read("SHA256SUMS.gpg"), /not of this text/],
    [
      "was changed inside",
      "keyring.gpg",
      Buffer.from(String(read("CHECKSUM")).replace("2d71", "0000")),
      null,
      /not of/,
    ],
    ["is signed by another", "other.gpg", LIST, read("SHA256SUMS.gpg"), /the key [0-9A-F]{16}, which is not/],
    ["is signed by another inside", "other.gpg", read("CHECKSUM"), null, /which is not in the keyring/],
    ["has something else for a signature", "keyring.gpg", LIST, Buffer.from("<html>404</html>"), /./],
    ["is signed in part, by whom nobody knows", "other.gpg", Buffer.concat([read("CHECKSUM"), LIST]), null, /./],
  ])("that %s is not signed", async (_, keyring, message, signature, why) => {
    expect(await judge(keyring, message, signature)).toEqual({ why: expect.stringMatching(why) });
  });

  test("is not judged by what is no keyring", async () => {
    const armored = judge("armored.asc", LIST, read("SHA256SUMS.gpg"));
    await expect(armored).rejects.toMatchObject({ code: "host", hint: expect.stringContaining("gpg --dearmor") });
    await expect(judge("nothing.gpg", LIST, null)).rejects.toMatchObject({ code: "not_found" });
  });
});
