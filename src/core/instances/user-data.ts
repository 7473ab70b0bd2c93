/**
 * What a person gives cloud-init to do, and what we add to it: an archive of parts, which cloud-init merges.
 * Source: https://docs.cloud-init.io/en/latest/explanation/format.html, "MIME multi-part archive", and
 * reference/merging.html.
 */
import { createHash } from "node:crypto";

/** Lines of a cloud-config that are added to what others say, as its `merge` says (X-Merge-Type). */
export interface ConfigPart {
  readonly config: readonly string[];
  readonly merge: string;
}

const NOTHING = "#cloud-config\n{}\n";

/** A cloud-config of ours that says all of these, too; none of its keys is in two of them. */
export function configWith(config: string, parts: readonly ConfigPart[]): string {
  const added = parts.flatMap((part) => part.config).map((line) => `${line}\n`);
  if (added.length === 0) return config;
  return `${config === NOTHING ? "#cloud-config\n" : config}${added.join("")}`;
}

/** An archive in MIME, with what may stand before its headers. */
const IS_ARCHIVE = /^(?:From .*\r?\n)?(?:[\w-]+:.*\r?\n(?:[ \t].*\r?\n)*)*?content-type:\s*multipart\//i;

/** User data of any kind (a script, a cloud-config, a template, an archive) with these beside it. */
export function userDataWith(userData: string, parts: readonly ConfigPart[]): string {
  if (parts.length === 0) return userData;
  const boundary = `estrato-${createHash("sha256").update(userData).digest("hex").slice(0, 32)}`;
  const part = (type: string, text: string, ...headers: string[]) =>
    [`--${boundary}`, `Content-Type: ${type}; charset="utf-8"`, ...headers, "", text].join("\n");
  return [
    "MIME-Version: 1.0",
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    "",
    IS_ARCHIVE.test(userData)
      ? `--${boundary}\n${userData.replace(/^From .*\r?\n/, "")}`
      : part("text/plain", ...carried(userData)), // cloud-init looks at its first line
    ...parts.map(({ config, merge }) =>
      part("text/cloud-config", `#cloud-config\n${config.join("\n")}\n`, `X-Merge-Type: ${merge}`),
    ),
    `--${boundary}--`,
    "",
  ].join("\n");
}

/** cloud-init (22.4) reads an archive as text, and loses of a part what is not ASCII and not encoded. */
function carried(text: string): [text: string, ...headers: string[]] {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII and nothing else
  if (/^[\u0000-\u007f]*$/.test(text)) return [text];
  const lines = Buffer.from(text)
    .toString("base64")
    .replace(/.{76}(?=.)/g, "$&\n");
  return [lines, "Content-Transfer-Encoding: base64"];
}
