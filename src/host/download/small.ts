/** Small files that say something of a large one: its sum, or who signed that. At a URL, or a path of a person's. */
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { EstratoError } from "../../errors.ts";
import { readOutside } from "../../outside-file.ts";
import { notOpened } from "../held-file.ts";
import { withFolder } from "../own-folder.ts";
import type { Processes } from "../process.ts";
import { printable } from "../process-failure.ts";
import { lastAnswer } from "./answer.ts";
import { curl, curlFailure, TOO_LARGE } from "./curl.ts";

export interface SmallRules {
  readonly maxBytes: number;
  readonly signal?: AbortSignal;
}

/** All that `where`, an absolute path or a URL, holds. Null: there is no such file. "host" where it cannot be had. */
export async function readSmall(processes: Processes, where: string, rules: SmallRules): Promise<Uint8Array | null> {
  if (where.startsWith("/")) {
    return readOutside(where, { ...rules, mayBePipe: true }).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code === "ENOENT" || cause.code === "ENOTDIR") return null;
      throw cause instanceof EstratoError ? cause : notOpened(where, cause);
    });
  }
  return withFolder((folder) => fetchSmall(processes, where, folder, rules));
}

async function fetchSmall(
  processes: Processes,
  url: string,
  folder: string,
  { maxBytes, signal }: SmallRules,
): Promise<Uint8Array | null> {
  const [to, heads] = [join(folder, "file"), join(folder, "heads")];
  const tooLarge = () =>
    new EstratoError("host", `${printable(url)}: it is larger than ${maxBytes} bytes`, { hint: "Check the URL." });
  const ours = new AbortController();
  const progress = async () => {
    const bytes = (await stat(to).catch(() => null))?.size ?? 0;
    if (bytes > maxBytes) ours.abort();
    return bytes;
  };
  const command = curl({ url, to, heads, largestBytes: maxBytes });
  const end = signal ? AbortSignal.any([signal, ours.signal]) : ours.signal;
  const result = await processes
    .run(command, { as: "work", progress, signal: end, endsWithUs: true })
    .catch((error: unknown) => {
      throw ours.signal.aborted ? tooLarge() : error;
    });
  const answer = lastAnswer(await readFile(heads, "latin1").catch(() => ""), true);
  if (answer?.status === 404 || answer?.status === 410) return null;
  if (result.exit === TOO_LARGE || (await progress()) > maxBytes) throw tooLarge();
  if (result.exit !== 0) throw curlFailure(url, result, answer);
  return readFile(to).catch(() => new Uint8Array()); // curl makes no file of nothing
}
