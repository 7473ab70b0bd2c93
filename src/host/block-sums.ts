/** Checksums of large files, block by block, so that a changed one need not be read whole. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import type { BlockSums } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { lookAt, openOutside } from "../outside-file.ts";

export async function blockSums(
  path: string,
  blockBytes: number,
  options: { readonly known?: readonly (string | null)[]; readonly onProgress?: (fraction: number) => void } = {},
): Promise<BlockSums> {
  const file = await openRegular(path);
  try {
    const { size } = await file.stat();
    const buffer = Buffer.allocUnsafe(blockBytes);
    const sums: string[] = [];
    for (let at = 0; at < size; at += blockBytes) {
      const length = Math.min(blockBytes, size - at);
      const known = options.known?.[sums.length] ?? null;
      sums.push(known ?? (await sumOf(file, buffer.subarray(0, length), at, path)));
      options.onProgress?.((at + length) / size);
    }
    return { sizeBytes: size, sums };
  } finally {
    await file.close();
  }
}

/** The sum of as many bytes as the buffer holds. "failed" where the file ends before. */
export async function sumOf(file: FileHandle, buffer: Buffer, at: number, path: string): Promise<string> {
  for (let done = 0; done < buffer.length; ) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, at + done);
    if (bytesRead === 0) throw new EstratoError("failed", `${path}: it became shorter while it was read`);
    done += bytesRead;
  }
  return createHash("sha256").update(buffer).digest("hex");
}

/** Not through a link, and never waiting for a pipe's other end. */
async function openRegular(path: string): Promise<FileHandle> {
  try {
    return await openOutside(path, false);
  } catch (error) {
    if (error instanceof EstratoError) throw error;
    const code = (error as NodeJS.ErrnoException).code ?? "";
    if (code === "ENOENT" || code === "ENOTDIR")
      throw new EstratoError("not_found", `${path}: no such file`, { hint: "Check the path." });
    throw new EstratoError("host", `${path}: it cannot be read (${code})`, { hint: lookAt(path), cause: error });
  }
}
