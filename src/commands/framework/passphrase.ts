/**
 * `--passphrase-file FILE`, by itself for what is opened; for what is made `--encrypt --passphrase-file FILE`: one does
 * not go without the other.
 */
import { resolve } from "node:path";
import { EstratoError } from "../../errors.ts";
import { flag, text } from "./options.ts";

/** `whose`: of an encrypted backup. */
export const passphraseFileOf = (whose: string) =>
  text("FILE", `the file that holds the passphrase ${whose}`, { complete: "file" });

/** `what`: what is encrypted. */
export const encryption = (what = "encrypt it") => ({
  encrypt: flag(what),
  passphraseFile: passphraseFileOf("for --encrypt"),
});

/** The absolute path of the passphrase's file; null where nothing is to be encrypted. Throws "usage". */
export function passphraseOf(
  verb: string,
  { encrypt, passphraseFile }: { readonly encrypt: boolean; readonly passphraseFile: string | null },
): string | null {
  if (encrypt && passphraseFile === null) {
    throw new EstratoError("usage", `${verb}: --encrypt without a passphrase`, {
      hint: "Write it into a file, and name that: --passphrase-file FILE.",
    });
  }
  if (!encrypt && passphraseFile !== null) {
    throw new EstratoError("usage", `${verb}: --passphrase-file without --encrypt`, { hint: "Say --encrypt too." });
  }
  return passphraseFile === null ? null : resolve(passphraseFile);
}
