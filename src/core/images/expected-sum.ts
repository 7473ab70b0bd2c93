/** The sum that a downloaded file must have, and who says so. */
import { EstratoError } from "../../errors.ts";
import type { World } from "../ports.ts";
import { type Expectation, nameOfUrl, type Sum, sumIn } from "./download-source.ts";

export interface ExpectedSum {
  readonly sum: Sum | null; // null: nobody says one
  readonly verified: "signature" | "checksum" | "none";
}

const LIST_BYTES = 4 * 1024 ** 2; // a mirror's list of all its files
const SIGNATURE_BYTES = 256 * 1024;
/** Where the signature lies of a list that is not clearsigned: Ubuntu, Debian, others. */
const SIGNATURES = [".gpg", ".sign", ".asc", ".sig"];
const CLEARSIGNED = "-----BEGIN PGP SIGNED MESSAGE-----";

/**
 * Fetches what must be fetched for it. "host" where a list is not there, does not name the file, or has no signature
 * though a keyring was given; "integrity" where its signature is wrong.
 */
export async function expectedSum(world: World, url: string, expected: Expectation): Promise<ExpectedSum> {
  if (expected.kind === "none") return { sum: null, verified: "none" };
  if (expected.kind === "sum") return { sum: expected.sum, verified: "checksum" };
  const { where, keyring } = expected;
  const list = await read(world, where, LIST_BYTES);
  if (list === null) {
    throw new EstratoError("host", `${where}: there is no such file`, { hint: "Look where its sums are published." });
  }
  const text = keyring === null ? decoded(list) : await requireSigned(world, where, list, keyring);
  const name = nameOfUrl(url);
  const sum = sumIn(text, name);
  if (sum !== null) return { sum, verified: keyring === null ? "checksum" : "signature" };
  throw new EstratoError("host", `${where}: it holds no SHA-256 or SHA-512 of ${JSON.stringify(name)}, or several`, {
    hint: "Give the list that belongs to that very file.",
  });
}

async function requireSigned(world: World, where: string, list: Uint8Array, keyring: string): Promise<string> {
  const isClearsigned = decoded(list).startsWith(CLEARSIGNED);
  const signature = isClearsigned ? null : await findSignature(world, where);
  const signed = await world.host.signedText(keyring, list, signature);
  if ("text" in signed) return signed.text;
  throw new EstratoError("integrity", `${where}: ${signed.why}`, {
    hint: "Nothing was downloaded. Look whether list, signature and keyring belong together; else somebody has changed them.",
  });
}

async function findSignature(world: World, where: string): Promise<Uint8Array> {
  for (const ending of SIGNATURES) {
    const found = await read(world, beside(where, ending), SIGNATURE_BYTES);
    if (found !== null) return found;
  }
  throw new EstratoError("host", `${where}: it is not signed, and there is no signature beside it`, {
    hint: `Looked for ${SIGNATURES.join(", ")}. Without --keyring the list is taken as it is.`,
  });
}

/** Of a URL the path goes on, not what follows a question mark. */
function beside(where: string, ending: string): string {
  if (where.startsWith("/")) return where + ending;
  const url = new URL(where);
  url.pathname += ending;
  return url.href;
}

function read(world: World, where: string, maxBytes: number): Promise<Uint8Array | null> {
  return world.host.readSmall(where, { maxBytes, signal: world.signal });
}

function decoded(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
