/** Who signed a text, as gpgv(1) judges: it knows no key but those of one keyring. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { EstratoError } from "../../errors.ts";
import { readOutside } from "../../outside-file.ts";
import { notOpened } from "../held-file.ts";
import { withFolder } from "../own-folder.ts";
import type { Processes } from "../process.ts";
import { lastWords, printable } from "../process-failure.ts";

/** What gpgv(1) found: the text that is signed, or why it is not. */
export type Signed = { readonly text: string } | { readonly why: string };

/**
 * Is the message signed by a key of this keyring (absolute path)? `signature` null: it is clearsigned, and only what
 * lies inside the signature is its text. "host" where gpgv is not there, or cannot read the keyring.
 */
export async function signedText(
  processes: Processes,
  keyring: string,
  message: Uint8Array,
  signature: Uint8Array | null,
): Promise<Signed> {
  await requireKeyring(keyring);
  return withFolder(async (folder) => {
    const [said, sign, text] = ["message", "signature", "text"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(said, message, { mode: 0o600 });
    if (signature !== null) await writeFile(sign, signature, { mode: 0o600 });
    const files = signature === null ? ["--output", text, said] : [sign, said];
    const args = ["--homedir", folder, "--status-fd", "1", "--keyring", keyring, ...files];
    const { exit, stdout, stderr } = await processes.run({ program: "gpgv", args });
    // A file that several people signed may hold signatures of keys that are not in this keyring; all of one message.
    const isGood = /^\[GNUPG:\] GOODSIG /m.test(stdout) && !/^\[GNUPG:\] BADSIG /m.test(stdout);
    if (isGood && signature !== null) return { text: new TextDecoder().decode(message) };
    if (isGood && exit === 0) return { text: await readFile(text, "utf8") };
    return { why: whyNot(stdout) ?? lastWords(stderr) ?? `gpgv ends with ${exit}` };
  });
}

/** doc/DETAILS of GnuPG, "General status codes". */
function whyNot(status: string): string | null {
  const said = (word: string) => new RegExp(`^\\[GNUPG:\\] ${word} (\\S+)`, "m").exec(status)?.[1];
  if (said("BADSIG") !== undefined) return "its signature is not of this text";
  const missing = said("NO_PUBKEY");
  if (missing !== undefined) return `it is signed with the key ${missing}, which is not in the keyring`;
  const old = said("EXPKEYSIG") ?? said("REVKEYSIG") ?? said("EXPSIG");
  return old === undefined ? null : `the key ${old}, or its signature, has expired or was revoked`;
}

/** gpgv takes keyrings, and says of an armored key only that it found none. */
async function requireKeyring(keyring: string): Promise<void> {
  const bytes = await readOutside(keyring, { maxBytes: 64 * 1024 ** 2 }).catch((cause: unknown) => {
    throw cause instanceof EstratoError ? cause : notOpened(keyring, cause);
  });
  if (!bytes.subarray(0, 64).toString("latin1").startsWith("-----BEGIN PGP")) return;
  throw new EstratoError("host", `${printable(keyring)}: it is an armored key, and no keyring`, {
    hint: `Make one of it: gpg --dearmor < ${keyring} > KEYRING.gpg`,
  });
}
