/** qemu-img: what it is asked. The commands that change files are in actions/. Source of the words: qemu-img(1). */
import { lstat } from "node:fs/promises";
import { EstratoError } from "../errors.ts";
import type { Processes } from "./process.ts";
import { failure } from "./process-failure.ts";
import { createExtentReader, parseFaults, parseInfo, parseMeasure, parsePlace } from "./qemu-img-output.ts";
import type { Command, DataPlace, Extent, ImageInfo } from "./types.ts";

export interface ImageFile {
  readonly path: string;
  readonly format: string;
}

export function qemuImg(...args: readonly string[]): Command {
  return { program: "qemu-img", args };
}

/** A file name that cannot be taken for one of QEMU's protocols or options: it begins with a slash. A relative one is a fault of ours. */
export function absolutePath(path: string): string {
  if (!path.startsWith("/") || path.includes("\0")) {
    throw new EstratoError("failed", `${path}: not an absolute path`);
  }
  return path;
}

/**
 * The facts of one image; null where there is no file. Unless `shared`, "conflict" where a guest or another program
 * has it open. Without `format` QEMU tells the format by the content: not for a raw file that a guest may have written.
 */
export async function imageInfo(
  processes: Processes,
  path: string,
  options: { readonly shared?: boolean; readonly format?: string } = {},
): Promise<ImageInfo | null> {
  if (!(await exists(path))) return null;
  const command = qemuImg(
    "info",
    "--output=json",
    ...(options.shared ? ["-U"] : []),
    ...(options.format ? ["-f", options.format] : []),
    absolutePath(path),
  );
  const result = await processes.run(command);
  if (result.exit === 0) return parseInfo(result.stdout, path);
  if (!(await exists(path))) return null; // it went while we asked
  throw failure(command, result);
}

/** The extents that a file itself holds. It is opened without what it stands on, so a chain with a gap answers too. A running guest may have it open. */
export async function ownExtents(processes: Processes, path: string, format: string): Promise<Extent[]> {
  const reader = createExtentReader(format);
  const name = format === "raw" ? ["-f", "raw", absolutePath(path)] : [aloneName(path, format)];
  for await (const line of processes.lines(qemuImg("map", "--output=json", "-U", ...name))) reader.line(line);
  return reader.extents;
}

/** Where in a qcow2 file the data lies that it holds itself. Compressed data, which lies at no fixed place, is left out. */
export async function dataPlaces(processes: Processes, path: string): Promise<DataPlace[]> {
  const places: DataPlace[] = [];
  for await (const line of processes.lines(qemuImg("map", "--output=json", "-U", aloneName(path, "qcow2")))) {
    const place = parsePlace(line);
    if (place !== null) places.push(place);
  }
  return places;
}

/** A qcow2 file as it is without what it stands on. */
function aloneName(path: string, format: string): string {
  const alone = { driver: format, file: { driver: "file", filename: absolutePath(path) }, backing: null };
  return `json:${JSON.stringify(alone)}`;
}

/** What a new qcow2 file with this content, that of all it stands on included, takes at most. A running guest may have it open. */
export async function convertedBytes(processes: Processes, path: string, format: string): Promise<number> {
  const command = qemuImg("measure", "--output=json", "-U", "-f", format, "-O", "qcow2", absolutePath(path));
  return parseMeasure(await processes.output(command));
}

/**
 * How many faults qemu-img finds in a qcow2 file's tables: clusters beyond its end (they read as zeros, and no copy would complain), crossed
 * references. Leaked clusters are no fault. "failed" where it cannot be examined.
 */
export async function countFaults(processes: Processes, path: string): Promise<number> {
  const command = qemuImg("check", "--output=json", "-U", "-f", "qcow2", absolutePath(path));
  const result = await processes.run(command);
  if (result.exit === 0 || result.exit === 2 || result.exit === 3) return parseFaults(result.stdout);
  throw failure(command, result);
}

/** Does qemu-img find the two contents equal? A longer one is equal where its end reads as zeros. */
export async function sameContent(processes: Processes, a: ImageFile, b: ImageFile): Promise<boolean> {
  const command = qemuImg("compare", "-U", "-f", a.format, "-F", b.format, absolutePath(a.path), absolutePath(b.path));
  const result = await processes.run(command);
  if (result.exit === 0) return true;
  if (result.exit === 1) return false;
  throw failure(command, result);
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}
