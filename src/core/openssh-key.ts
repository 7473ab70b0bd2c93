/**
 * Keys in OpenSSH's forms: the line of an authorized_keys file, and the private key file (PROTOCOL and PROTOCOL.key of
 * OpenSSH).
 */
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { EstratoError } from "../errors.ts";

export interface PublicKey {
  readonly type: string;
  readonly line: string; // "ssh-ed25519 AAAA… comment"
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
}

/** Type → how many fields follow it in the key's bytes. */
const FIELDS: Readonly<Record<string, number>> = {
  "ssh-ed25519": 1,
  "ssh-rsa": 2,
  "ecdsa-sha2-nistp256": 2,
  "ecdsa-sha2-nistp384": 2,
  "ecdsa-sha2-nistp521": 2,
  "sk-ssh-ed25519@openssh.com": 2,
  "sk-ecdsa-sha2-nistp256@openssh.com": 3,
};
const LEAST_RSA_BITS = 1024; // what OpenSSH itself still takes

/** The one public key in the text of a .pub file. Throws "usage", naming `what`, for anything else. */
export function parsePublicKey(text: string, what: string): PublicKey {
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  const bad = (why: string, hint = "Give the .pub file that ssh-keygen wrote."): EstratoError =>
    new EstratoError("usage", `${what}: ${why}`, { hint });
  if (/PRIVATE KEY/.test(text)) throw bad("it is a private key", "Keep it to yourself, and give its .pub file.");
  const [line, ...others] = lines;
  if (line === undefined) throw bad("it holds no key");
  if (others.length > 0) throw bad("it holds more than one line", "Give a file with one public key.");
  const [type = "", base64 = "", ...comment] = line.split(/\s+/);
  const fieldCount = Object.hasOwn(FIELDS, type) ? FIELDS[type] : undefined;
  if (fieldCount === undefined) throw bad(`it is no OpenSSH public key of a known type (${type.slice(0, 40)})`);
  const bytes = Buffer.from(base64, "base64");
  if (bytes.toString("base64").replace(/=+$/, "") !== base64.replace(/=+$/, "")) throw bad("its base64 is damaged");
  const fields = fieldsOf(bytes);
  if (fields === null || fields.length !== fieldCount + 1 || fields[0]?.toString("latin1") !== type) {
    throw bad("the key is damaged");
  }
  if (type === "ssh-ed25519" && fields[1]?.length !== 32) throw bad("the key is damaged");
  if (type === "ssh-rsa" && bitsOf(fields[2]) < LEAST_RSA_BITS) throw bad("its RSA key is too short to be used");
  const commentText = comment.join(" ");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
  if (/[\u0000-\u001f\u007f-\u009f]/.test(commentText)) throw bad("its comment holds a control character");
  return { type, line: [type, base64, ...comment].join(" "), fingerprint: fingerprintOf(bytes) };
}

export interface NewKey {
  readonly publicKey: PublicKey;
  /** The text of a private key file, without a passphrase. */
  readonly privateKey: string;
}

/** A new Ed25519 key. */
export function createKey(comment: string): NewKey {
  const jwk = generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" });
  const point = Buffer.from(String(jwk.x), "base64url");
  const seed = Buffer.from(String(jwk.d), "base64url");
  const type = Buffer.from("ssh-ed25519");
  const blob = Buffer.concat([field(type), field(point)]);
  const check = randomBytes(4);
  const secret = Buffer.concat([
    ...[check, check, field(type), field(point), field(Buffer.concat([seed, point])), field(Buffer.from(comment))],
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const file = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    field(Buffer.from("none")), // cipher
    field(Buffer.from("none")), // key derivation
    field(Buffer.alloc(0)),
    Buffer.from([0, 0, 0, 1]), // one key
    field(blob),
    field(Buffer.concat([secret, padding])),
  ]);
  const body = file.toString("base64").replaceAll(/.{70}(?=.)/g, "$&\n");
  return {
    publicKey: {
      type: "ssh-ed25519",
      line: `ssh-ed25519 ${blob.toString("base64")} ${comment}`,
      fingerprint: fingerprintOf(blob),
    },
    privateKey: `-----BEGIN OPENSSH PRIVATE KEY-----\n${body}\n-----END OPENSSH PRIVATE KEY-----\n`,
  };
}

function fingerprintOf(bytes: Buffer): string {
  return `SHA256:${createHash("sha256").update(bytes).digest("base64").replace(/=+$/, "")}`;
}

/** A length of four bytes, then the bytes. */
function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** Null where the bytes do not end with a field. */
function fieldsOf(bytes: Buffer): Buffer[] | null {
  const fields: Buffer[] = [];
  let at = 0;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) return null;
    const end = at + 4 + bytes.readUInt32BE(at);
    if (end > bytes.length) return null;
    fields.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

/** Of a big number with leading zeros. */
function bitsOf(number: Buffer | undefined): number {
  const hex = (number ?? Buffer.alloc(0)).toString("hex").replace(/^0+/, "");
  return hex.length * 4;
}
