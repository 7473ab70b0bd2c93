/** How a backup is encrypted: `--encrypt --passphrase-file FILE`, and not together with `--compress`. */
import { EstratoError } from "../../errors.ts";
import { encryption, passphraseOf } from "../framework/passphrase.ts";

export const encryptionOptions = encryption();

/** The absolute path of the passphrase's file; null where nothing is to be encrypted. Throws "usage". */
export function passphraseFor(
  verb: string,
  options: { readonly encrypt: boolean; readonly passphraseFile: string | null; readonly compress: boolean },
): string | null {
  const file = passphraseOf(verb, options);
  if (file === null || !options.compress) return file;
  throw new EstratoError("usage", "--encrypt and --compress: what is encrypted cannot be compressed", {
    hint: "Leave one of them out.",
  });
}
