/** What comes out of a guest, entry by entry: an archive that a tar made, or one file. No name of it is trusted. */
import { Readable } from "node:stream";
import { extract, type Header } from "tar-stream";
import type { GuestKind, GuestPart } from "../../core/model/guest-files.ts";
import { momentOf, nameText } from "./entries.ts";

/** `name` and `link` are bytes, as Latin-1 has them: a guest's names need not be UTF-8. */
export interface Outgoing {
  /** Its place below the folder that it goes to; [] for that folder. Null: none that is inside of it. */
  readonly place: readonly string[] | null;
  readonly kind: GuestKind | "same" | "unknown";
  /** Where a link leads; of "same" (a second name of a file) the place of the first. */
  readonly link: string | null;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  /** To be read to its end, before the next entry is asked for. */
  readonly content: AsyncIterable<Uint8Array>;
}

const KINDS: Readonly<Record<Header["type"], Outgoing["kind"]>> = {
  file: "file",
  "contiguous-file": "file",
  directory: "folder",
  symlink: "link",
  link: "same",
  "block-device": "device",
  "character-device": "device",
  fifo: "fifo",
};

/** The components of a relative name; null where it leads out, or is none. */
export function placeOf(name: string): string[] | null {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  return name.startsWith("/") || name.includes("\0") || parts.includes("..") ? null : parts;
}

/** What people read of a place. */
export function placeText(place: readonly string[]): string {
  return nameText(Buffer.from(place.join("/"), "latin1"));
}

/**
 * The names of an entry as bytes. tar-stream decodes those of pax(1) headers as UTF-8, whatever encoding it is told:
 * what Latin-1 does not have would be judged as a letter, and written as a `.` or a `/`.
 */
function namesOf({ name, linkname, pax }: Header): { name: string; link: string | null } {
  const { path, linkpath } = (pax ?? {}) as { readonly path?: string; readonly linkpath?: string };
  return { name: path ? bytesOf(path) : name, link: linkpath ? bytesOf(linkpath) : (linkname ?? null) };
}

function bytesOf(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** A folder's archive; all is placed below `name`. */
export async function* fromArchive(archive: AsyncIterable<Uint8Array>, name: string): AsyncGenerator<Outgoing> {
  const above = name === "" ? [] : [bytesOf(name)];
  // Its types leave this option out
  const tar = extract({ filenameEncoding: "latin1" } as object);
  const source = Readable.from(archive, { objectMode: false });
  source.on("error", (error) => tar.destroy(error));
  source.on("data", (chunk) => {
    if (!tar.write(chunk)) source.pause();
  });
  tar.on("drain", () => source.resume());
  source.on("end", () => tar.end(undefined));
  try {
    for await (const entry of tar) {
      const { header } = entry;
      const names = namesOf(header);
      const place = placeOf(names.name);
      const kind = KINDS[header.type] ?? "unknown";
      const first = kind === "same" ? placeOf(names.link ?? "") : null;
      yield {
        place: place === null ? null : [...above, ...place],
        kind,
        link: kind === "same" ? (first === null ? null : [...above, ...first].join("/")) : names.link,
        mode: header.mode,
        uid: header.uid,
        gid: header.gid,
        sizeBytes: header.size,
        modifiedAt: momentOf(header.mtime.getTime()),
        content: entry as AsyncIterable<Uint8Array>,
      };
      entry.resume();
    }
  } finally {
    source.destroy();
  }
}

/** One that is neither a folder nor a link. */
export function alone({ name, entry }: GuestPart, content: AsyncIterable<Uint8Array>): Outgoing {
  return { ...entry, place: [bytesOf(name)], link: null, content };
}
