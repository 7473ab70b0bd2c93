import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createKey, parsePublicKey } from "../../../src/core/openssh-key.ts";

// Made by ssh-keygen 9.2; the fingerprints are what `ssh-keygen -l` said.
const KEYS = {
  "SHA256:A+7ZZfF7wIMu/PfaYKk270sDAgldFKpA+WOebmpknLs":
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFuqUWz+WetBhcHqKPX9EzVbT01YdxPzmoiq1eH1kJPU ana@host",
  "SHA256:zT4+wOcfoBfGFqjZAbzMrIb4GOeVUE4UGUnGfSlU8j0":
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDXIWl3li1SWpKJUevwsXBCerwgzj/qnB47m4C4zm/KcLoza6LryKydAfupCRFZM7nkfeNIN/7UsBdj4nIRTLc+LGq5Ax7NdYj7/Rm/m+wOK+Ph6B9HfN8L+enINkteEWmZaJd2mcqbSX47hKNR6iGR3yObjWR6SSxWggJHBn7rxMYXM2urCNKrtXgn5Fa7kf3yn4OQUB9B/S0fSTqwgbfgUXFPuQ38U+IEXib1l+upQYoFFDZM0ydut8V6q2uWgbNXrz+UdJHggRlY1QXkThvyptbDCDj1Qw9qJbT9dmu+ZnZc8KoA04WbmFj9hJechaGD+fPMYFcZ6TlwZsi4bMT3 ana@host",
  "SHA256:RGCfUrCkLe8n+aQ0V64IdfSFg2m993CtnWZxRqUuSVU":
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBNIvqwfRa7nGgEurVRy0i29nNcuozHJMHJNVS98AjFWZ6TgU5koGZAGNrJi36e0Lw5Ds9WsGJyLmEhSz2OV6kaA= ana@host",
  "SHA256:nYkXpaPI0OhG+ADKAq+jOWvoi4twkIAkM3yFXPLnvFc":
    "ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBEqtWBgkgbsX1n10lHP21VBkygjJOuNuwvLZyUgil/Ye4AdT3NFS85/5bBMMLDOmMOUnoB/Hg6hTPo/bPK5i4SC2xCrxiv6ujlxoGDi+TZno9HZK8+hFoH37AsVz66Af8Q== ana@host",
  "SHA256:NN0D6YnxevsKGE1boGg27KhcG9PkbN4idOZTBgcR8lY":
    "ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAD3lSVLWBrNbcjT0v0qdQmvrz/mDHQsegQUClU1kUYVULD8qrUXEeb1RbuihDywFQWWZBcb5OQ20cz8jQk+PRSCIQG7N099dc+Miq7Ewog7JDpFtJFgm7f2FuASp43aurLt3KbKJkfAG+RwgYeZVPxhPcajfCLui9xK+c4WBh2/JgJdWQ== ana@host",
};

test("fingerprints are those of ssh-keygen", () => {
  for (const [fingerprint, line] of Object.entries(KEYS)) {
    const key = parsePublicKey(`${line}\n`, "key");
    expect(key.fingerprint).toBe(fingerprint);
    expect(key.line).toBe(line);
    expect(key.type).toBe(line.split(" ")[0]);
  }
});

test("a new key is one that OpenSSH reads", () => {
  const { publicKey, privateKey } = createKey("a-comment");
  expect(parsePublicKey(publicKey.line, "key")).toEqual(publicKey);
  const folder = mkdtempSync(join(tmpdir(), "estrato-key-"));
  try {
    writeFileSync(join(folder, "key"), privateKey, { mode: 0o600 });
    const { error, stdout } = spawnSync("ssh-keygen", ["-y", "-f", join(folder, "key")], { encoding: "utf8" });
    if (error === undefined) expect(stdout.trim()).toBe(publicKey.line);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("comments of any length keep the file whole", () => {
  for (let length = 1; length < 20; length += 1) {
    const { privateKey } = createKey("c".repeat(length));
    const body = privateKey.split("\n").slice(1, -2);
    expect(body.every((line) => line.length <= 70)).toBe(true);
    expect(Buffer.from(body.join(""), "base64").subarray(0, 15).toString("latin1")).toBe("openssh-key-v1\0");
  }
});

const [ed25519 = ""] = Object.values(KEYS);
const [type = "", base64 = ""] = ed25519.split(" ");

test("what is no public key is refused, and why is said", () => {
  const bad: readonly (readonly [text: string, why: RegExp])[] = [
    ["", /holds no key/],
    ["# only a comment\n", /holds no key/],
    [createKey("x").privateKey, /private key/],
    [`${ed25519}\n${ed25519}\n`, /more than one line/],
    ["ssh-dss AAAA", /no OpenSSH public key of a known type/],
    [`command="x" ${ed25519}`, /no OpenSSH public key/],
    ["constructor AAAA", /no OpenSSH public key/],
    [`${type} ${base64.slice(0, -8)}`, /damaged/],
    [`${type} ${base64}!!`, /base64 is damaged/],
    [`ssh-rsa ${base64}`, /damaged/],
    [type, /damaged/],
    [`${ed25519}\u001b[2J`, /control character/],
  ];
  for (const [text, why] of bad) {
    expect(() => parsePublicKey(text, "key"), text).toThrow(
      expect.objectContaining({ code: "usage", message: expect.stringMatching(why) }),
    );
  }
});
