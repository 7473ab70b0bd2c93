/** How curl(1) is called, and what its exit codes mean. */
import type { Command } from "../../core/model/host.ts";
import { EstratoError } from "../../errors.ts";
import type { ChildResult } from "../child.ts";
import { lastWords, printable } from "../process-failure.ts";
import type { HttpAnswer } from "./answer.ts";

export interface Transfer {
  readonly url: string; // http or https
  readonly to: string; // absolute path
  /** Nothing is fetched where the server says that it is more. */
  readonly largestBytes?: number;
  /** Goes on with what `to` holds, if it is still the file of this tag. */
  readonly from?: { readonly bytes: number; readonly etag: string };
  /** Where what the server says is written down. */
  readonly heads?: string;
}

/**
 * `-q`: what a ~/.curlrc says (insecure, output, location-trusted) is not what was asked for here. The environment
 * counts: http_proxy, https_proxy, no_proxy, CURL_CA_BUNDLE, SSL_CERT_FILE.
 */
export function curl({ url, to, largestBytes, from, heads }: Transfer): Command {
  const scheme = `=${url.startsWith("https:") ? "https" : "http"}`;
  const args = [
    ...["-q", "--silent", "--show-error", "--fail", "--globoff", "--netrc-optional"],
    ...["--proto", scheme, "--proto-redir", scheme, "--location", "--max-redirs", "10"],
    ...["--suppress-connect-headers"],
    ...(largestBytes === undefined ? [] : ["--max-filesize", String(largestBytes)]),
    ...(from === undefined ? [] : ["--continue-at", String(from.bytes), "--header", `If-Range: ${from.etag}`]),
    ...(heads === undefined ? [] : ["--dump-header", heads]),
    ...["--output", to, "--url", url],
  ];
  return { program: "curl", args };
}

/** libcurl-errors(3), by what they come to. */
const MALFORMED = 3;
const OTHER_SCHEME = 1;
const HTTP_ERROR = 22;
const NO_ROOM = 23;
export const NO_RANGE = 33;
const TOO_MANY_REDIRECTS = 47;
export const TOO_LARGE = 63;
const CUT = [18, 28, 52, 55, 56, 92, 95, 96];
const TLS = [35, 51, 53, 54, 58, 59, 60, 64, 66, 77, 80, 82, 83, 90, 91, 98];

/** The other end stopped in the middle: what is there may be gone on with. */
export function isCut(exit: number | null): boolean {
  return exit !== null && CUT.includes(exit);
}

/**
 * Why nothing came of it: "host", for a URL that is none "usage". `next`: what to do where it is neither the URL's nor
 * the certificate's fault, if there is more to say than to look at the network.
 */
export function curlFailure(
  url: string,
  { exit, stderr }: ChildResult,
  answer: HttpAnswer | null,
  next: string | null = null,
): EstratoError {
  const what = printable(url);
  const words = (lastWords(stderr) ?? `exit code ${exit}`).replace(/^curl: (\(\d+\) )?/, "");
  const host = (why: string, hint: string) => new EstratoError("host", `${what}: ${why}`, { hint });
  switch (exit) {
    case MALFORMED:
      return new EstratoError("usage", `${what}: it is no URL`, { hint: "Give it as https://HOST/PATH." });
    case OTHER_SCHEME: {
      const hint = "Look where it leads, and give that URL where you trust it.";
      return host(`it leads to ${printable(answer?.location ?? "another scheme")}, which is another scheme`, hint);
    }
    case HTTP_ERROR: {
      const why = answer === null ? words : `the server answers ${answer.status}`;
      return host(why, answer?.status === 404 ? "There is no such file: check the URL." : "Check the URL.");
    }
    case NO_ROOM:
      return host("there is no room for it", "Free some space.");
    case TOO_MANY_REDIRECTS:
      return host("it leads on and on", "Give the URL that the file itself has.");
    case null:
      return host("curl was ended", "Try again.");
  }
  if (TLS.includes(exit)) {
    const hint = "This host must trust whoever signed the server's certificate: see update-ca-certificates(8).";
    return host(words, hint);
  }
  if (isCut(exit)) return host(`the download was cut off (${words})`, next ?? "The same command begins anew.");
  return host(words, next ?? "Check the URL, the network, and the proxy that https_proxy names.");
}
