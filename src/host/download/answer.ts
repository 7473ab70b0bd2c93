/** What a server says before the file itself: the last of the answers that `curl --dump-header` writes down. */

/** RFC 9110. */
export interface HttpAnswer {
  readonly status: number;
  /** Of the whole file; null: it is not said. */
  readonly totalBytes: number | null;
  /** Of what follows: the first byte's place in the file. */
  readonly fromByte: number;
  /** A strong entity tag, in its quotes; a weak one does not say that the bytes are the same. */
  readonly etag: string | null;
  readonly takesRanges: boolean;
  readonly location: string | null;
}

/**
 * Null where the answer is not complete yet. `ended`: nothing more will be written; curl may have seen enough in the
 * middle of it.
 */
export function lastAnswer(text: string, ended = false): HttpAnswer | null {
  const written = text.replaceAll("\r\n", "\n");
  const blocks = (ended ? `${written.trimEnd()}\n\n` : written).split("\n\n");
  blocks.pop(); // what is still being written, or nothing
  const [first, ...lines] = (blocks.at(-1) ?? "").split("\n");
  const status = /^HTTP\/\S+ (\d{3})\b/.exec(first ?? "")?.[1];
  if (status === undefined) return null;
  const fields = new Map(
    lines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(fields.get("content-range") ?? "");
  const length = /^\d+$/.exec(fields.get("content-length") ?? "")?.[0];
  const total = range?.[2] ?? (status === "206" ? undefined : length);
  const etag = fields.get("etag");
  return {
    status: Number(status),
    totalBytes: total === undefined ? null : Number(total),
    fromByte: Number(range?.[1] ?? 0),
    etag: etag !== undefined && /^"[\x21\x23-\x7e]*"$/.test(etag) ? etag : null,
    takesRanges: status === "206" || fields.get("accept-ranges")?.toLowerCase() === "bytes",
    location: fields.get("location") ?? null,
  };
}
