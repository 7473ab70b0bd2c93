/** Reads what qemu-img prints. Apart from the process, so that recorded answers can be fed to it. */
import type { DataPlace, Extent, ImageInfo } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { readAnswer, readAnswers } from "./json-answer.ts";
import { backingPath } from "./qemu-file-names.ts";

/** Reads `qemu-img info --output=json` of the file at `path`. "failed" where it is no such answer. */
export function parseInfo(json: string, path: string): ImageInfo {
  const answer = readAnswer(json, "qemu-img info");
  const [format, virtualSizeBytes] = [answer.text("format"), answer.count("virtual-size")];
  if (format === null || virtualSizeBytes === null) {
    throw new EstratoError("failed", `qemu-img info: ${path}: an answer without format or size`);
  }
  const backing = answer.text("full-backing-filename") ?? answer.text("backing-filename");
  const specific = answer.inner("format-specific")?.inner("data") ?? null;
  return {
    path,
    format,
    virtualSizeBytes,
    actualSizeBytes: answer.count("actual-size") ?? 0,
    backing: backing === null ? null : backingPath(path, backing),
    backingFormat: answer.text("backing-filename-format"),
    encrypted: answer.flag("encrypted") || (specific?.inner("encrypt") ?? null) !== null,
    dirty: answer.flag("dirty-flag") || (specific?.flag("corrupt") ?? false),
    internalSnapshots: answer.list("snapshots")?.length ?? 0,
  };
}

/** Reads `qemu-img info --backing-chain --output=json`: how many files there are. */
export function parseDepth(json: string): number {
  const { length } = readAnswers(json, "qemu-img info");
  if (length > 0) return length;
  throw new EstratoError("failed", "qemu-img info: an answer without files");
}

/** Reads `qemu-img check --output=json`: corruptions and errors, leaks left out. */
export function parseFaults(json: string): number {
  const answer = readAnswer(json, "qemu-img check");
  const errors = answer.count("check-errors");
  if (errors === null) throw new EstratoError("failed", "qemu-img check: no such answer");
  return errors + (answer.count("corruptions") ?? 0);
}

/** Reads `qemu-img measure --output=json`: bytes that a copy needs. "failed" where it is no such answer. */
export function parseMeasure(json: string): number {
  const required = readAnswer(json, "qemu-img measure").count("required");
  if (required === null) throw new EstratoError("failed", "qemu-img measure: an answer without a size");
  return required;
}

/** One line of `qemu-img map --output=json`, which prints one extent per line. */
interface MapLine {
  readonly start: number;
  readonly length: number;
  readonly depth: number;
  readonly present: boolean; // since QEMU 6.1
  readonly zero: boolean;
  readonly data: boolean;
  readonly offset: number | null; // in the file; null where it is compressed
}

function parseMapLine(text: string): MapLine | null {
  const json = text
    .trim()
    .replace(/^\[/, "")
    .replace(/[\],]+$/, "");
  if (json === "") return null;
  const answer = readAnswer(json, "qemu-img map");
  const [start, length, depth] = [answer.count("start"), answer.count("length"), answer.count("depth")];
  if (start === null || length === null || depth === null) {
    throw new EstratoError("failed", "qemu-img map: an extent without a place");
  }
  const [present, zero, data] = [answer.flag("present"), answer.flag("zero"), answer.flag("data")];
  return { start, length, depth, present, zero, data, offset: answer.count("offset") };
}

/** One line of a map made without the backing chain; null where it tells of no data at a place of its own. */
export function parsePlace(text: string): DataPlace | null {
  const line = parseMapLine(text);
  if (line === null || line.depth !== 0 || !line.data || line.offset === null) return null;
  return { start: line.start, length: line.length, fileOffset: line.offset };
}

/**
 * Collects the extents that a file itself holds, merging neighbours. Feed it the lines of a map made without the
 * backing chain. For qcow2 an extent counts where it is `present` (data, or zeros that mask what lies below); a raw
 * file stands on nothing, so only its data counts. `only`: only data, of whatever format.
 */
export function createExtentReader(
  format: string,
  only?: "data",
): { line(text: string): void; readonly extents: Extent[] } {
  const extents: Extent[] = [];
  return {
    extents,
    line(text) {
      const found = parseMapLine(text);
      if (found === null) return;
      const { start, length, present, zero, data, depth } = found;
      const own = depth === 0 && (format === "raw" || only === "data" ? data : data || (zero && present));
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
