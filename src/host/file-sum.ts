/** One sum over a whole file, as those who publish files give it. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { EstratoError } from "../errors.ts";

const PIECE_BYTES = 1024 ** 2;

export interface SumOptions {
  readonly onProgress?: (fraction: number) => void;
  readonly signal?: AbortSignal;
}

/** In lower-case hex. Throws what the system says of the file; "interrupted". */
export async function fileSum(path: string, algorithm: "sha256" | "sha512", how: SumOptions = {}): Promise<string> {
  const { size } = await stat(path);
  const hash = createHash(algorithm);
  let done = 0;
  for await (const piece of createReadStream(path, { highWaterMark: PIECE_BYTES })) {
    if (how.signal?.aborted) throw new EstratoError("interrupted", "interrupted");
    hash.update(piece as Buffer);
    done += (piece as Buffer).length;
    how.onProgress?.(size === 0 ? 1 : done / size);
  }
  return hash.digest("hex");
}
