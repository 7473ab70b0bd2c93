/** What core asks of files that lie elsewhere, and of what is said of them. */

/** Downloads. A large one is the action "download". Everything may throw EstratoError. */
export interface DownloadPort {
  /**
   * A small file at an absolute path or a URL (http, https); null where there is none. "host" where it cannot be had,
   * or is larger.
   */
  readSmall(
    where: string,
    rules: { readonly maxBytes: number; readonly signal?: AbortSignal },
  ): Promise<Uint8Array | null>;
  /**
   * The text that a key of this keyring (absolute path) has signed, as gpgv(1) judges, or why it is not. `signature`
   * null: the message is clearsigned, and what lies outside of the signature is not of the text.
   */
  signedText(
    keyring: string,
    message: Uint8Array,
    signature: Uint8Array | null,
  ): Promise<{ readonly text: string } | { readonly why: string }>;
  /** Of the whole file, lower-case hex. `onProgress`: the fraction that is done. */
  fileSum(
    path: string,
    algorithm: "sha256" | "sha512",
    how?: { readonly onProgress?: (fraction: number) => void; readonly signal?: AbortSignal },
  ): Promise<string>;
  /** Is there a part, or the whole, of a download that "download" would go on with? */
  isDownloadKept(path: string): Promise<boolean>;
}
