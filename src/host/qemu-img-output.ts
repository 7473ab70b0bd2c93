/** Reads what qemu-img prints. Apart from the process, so that recorded answers can be fed to it. */
import { dirname, resolve } from "node:path";
import type { DataPlace, Extent, ImageInfo } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";

interface InfoAnswer {
  readonly filename?: string;
  readonly format?: string;
  readonly "virtual-size"?: number;
  readonly "actual-size"?: number;
  readonly "dirty-flag"?: boolean;
  readonly encrypted?: boolean;
  readonly snapshots?: readonly unknown[];
  readonly "backing-filename"?: string;
  readonly "full-backing-filename"?: string;
  readonly "backing-filename-format"?: string;
  readonly "format-specific"?: {
    readonly data?: { readonly corrupt?: boolean; readonly encrypt?: unknown };
  };
}

/** Reads `qemu-img info --output=json` of the file at `path`. "failed" where it is no such answer. */
export function parseInfo(json: string, path: string): ImageInfo {
  const answer = parseJson(json) as InfoAnswer;
  const { format, "virtual-size": virtualSizeBytes } = answer;
  if (typeof format !== "string" || typeof virtualSizeBytes !== "number") {
    throw new EstratoError("failed", `qemu-img info: ${path}: an answer without format or size`);
  }
  const backing = answer["full-backing-filename"] ?? answer["backing-filename"] ?? null;
  return {
    path,
    format,
    virtualSizeBytes,
    actualSizeBytes: answer["actual-size"] ?? 0,
    backing: backing === null ? null : resolve(dirname(path), filePathOf(backing)),
    backingFormat: answer["backing-filename-format"] ?? null,
    encrypted: answer.encrypted === true || answer["format-specific"]?.data?.encrypt !== undefined,
    dirty: answer["dirty-flag"] === true || answer["format-specific"]?.data?.corrupt === true,
    internalSnapshots: answer.snapshots?.length ?? 0,
  };
}

/** Reads `qemu-img info --backing-chain --output=json`: how many files there are. */
export function parseDepth(json: string): number {
  const chain = parseJson(json);
  if (Array.isArray(chain) && chain.length > 0) return chain.length;
  throw new EstratoError("failed", "qemu-img info: an answer without files");
}

/** Reads `qemu-img check --output=json`: corruptions and errors, leaks left out. */
export function parseFaults(json: string): number {
  const answer = parseJson(json) as { readonly corruptions?: number; readonly "check-errors"?: number };
  if (typeof answer["check-errors"] !== "number") throw new EstratoError("failed", "qemu-img check: no such answer");
  return answer["check-errors"] + (answer.corruptions ?? 0);
}

/** Reads `qemu-img measure --output=json`: bytes that a copy needs. "failed" where it is no such answer. */
export function parseMeasure(json: string): number {
  const { required } = parseJson(json) as { readonly required?: unknown };
  if (typeof required !== "number") throw new EstratoError("failed", "qemu-img measure: an answer without a size");
  return required;
}

/**
 * The path that one of QEMU's file names means. QEMU writes `json:{…}` where a plain name would not say all of the
 * node's options; its `file` then leads to the name (qemu-block-drivers(7)).
 */
export function filePathOf(name: string): string {
  if (name.startsWith("json:")) {
    const found = fileNameIn(parseJson(name.slice("json:".length)));
    return found ?? name;
  }
  return name.startsWith("file:") ? name.slice("file:".length) : name;
}

function fileNameIn(node: unknown): string | null {
  if (typeof node !== "object" || node === null) return null;
  const options = node as Record<string, unknown>;
  for (const key of ["filename", "file.filename"]) {
    if (typeof options[key] === "string") return filePathOf(options[key]);
  }
  return fileNameIn(options.file) ?? fileNameIn(options.image);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new EstratoError("failed", "qemu-img: an answer that is no JSON", { cause });
  }
}

/** One line of `qemu-img map --output=json`, which prints one extent per line. */
interface MapLine {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present?: boolean; // since QEMU 6.1
  readonly zero: boolean;
  readonly data: boolean;
  readonly offset?: number; // in the file; absent where it is compressed
}

function parseMapLine(text: string): MapLine | null {
  const json = text
    .trim()
    .replace(/^\[/, "")
    .replace(/[\],]+$/, "");
  return json === "" ? null : (parseJson(json) as MapLine);
}

/** One line of a map made without the backing chain; null where it tells of no data at a place of its own. */
export function parsePlace(text: string): DataPlace | null {
  const line = parseMapLine(text);
  if (line === null || line.depth !== 0 || !line.data || line.offset === undefined) return null;
  return { start: line.start, length: line.length, fileOffset: line.offset };
}

/**
 * Collects the extents that a file itself holds, merging neighbours. Feed it the lines of a map made without the
 * backing chain. For qcow2 an extent counts where it is `present` (data, or zeros that mask what lies below); a raw
 * file stands on nothing, so only its data counts.
 */
export function createExtentReader(format: string): { line(text: string): void; readonly extents: Extent[] } {
  const extents: Extent[] = [];
  return {
    extents,
    line(text) {
      const found = parseMapLine(text);
      if (found === null) return;
      const { start, length, present, zero, data, depth } = found;
      const own = depth === 0 && (format === "raw" ? data : data || (zero && present === true));
      if (!own || length === 0) return;
      const last = extents.at(-1);
      if (last && last.start + last.length === start) {
        extents[extents.length - 1] = { start: last.start, length: last.length + length };
      } else {
        extents.push({ start, length });
      }
    },
  };
}

/** The last fraction (0 to 1) in a piece of `qemu-img -p` output: `(12.34/100%)`. Null where there is none. */
export function parseProgress(text: string): number | null {
  const percent = [...text.matchAll(/\((\d+(?:\.\d+)?)\/100%\)/g)].at(-1)?.[1];
  return percent === undefined ? null : Math.min(1, Number(percent) / 100);
}
