/** What comes out of a guest, as a tar archive of ours: by the same rules as what is unpacked here. */
import { once } from "node:events";
import { type Header, type Pack, pack } from "tar-stream";
import type { Unpacked } from "../../core/model/guest-files.ts";
import { type Tally, tally } from "./left-out.ts";
import type { Outgoing } from "./outgoing.ts";
import { KINDS_LEFT_OUT } from "./unpack.ts";

/** Links are as they are: who unpacks it says where. */
export async function* repack(
  entries: AsyncIterable<Outgoing>,
  told: (unpacked: Unpacked) => void,
): AsyncGenerator<Uint8Array> {
  const made = tally();
  const tar = pack();
  const filled = fill(tar, entries, made).catch((error: Error) => {
    tar.destroy(error);
    throw error;
  });
  filled.catch(() => {});
  yield* tar as AsyncIterable<Uint8Array>;
  await filled;
  told(made.unpacked());
}

async function fill(tar: Pack, entries: AsyncIterable<Outgoing>, made: Tally): Promise<void> {
  for await (const entry of entries) {
    const { place, kind, link } = entry;
    if (place === null) made.leaveOut(place, "their names lead out of the folder");
    else if (kind === "device" || kind === "fifo" || kind === "socket") made.leaveOut(place, KINDS_LEFT_OUT[kind]);
    else if (kind === "unknown") made.leaveOut(place, "they are of a kind of their own");
    else if (kind === "file") {
      await packFile(tar, headerOf(entry, place, "file"), entry.content);
      made.came("files", entry.sizeBytes);
    } else if (kind === "folder") {
      await packEmpty(tar, headerOf(entry, place, "directory"));
      made.came("folders");
    } else {
      await packEmpty(tar, {
        ...headerOf(entry, place, kind === "same" ? "link" : "symlink"),
        linkname: text(link ?? ""),
      });
      made.came(kind === "same" ? "files" : "links");
    }
  }
  tar.finalize();
}

function headerOf({ mode, uid, gid, modifiedAt, sizeBytes }: Outgoing, place: readonly string[], type: Header["type"]) {
  const name = place.length === 0 ? "./" : text(place.join("/"));
  return { name, type, mode: mode & 0o777, uid, gid, mtime: modifiedAt, size: type === "file" ? sizeBytes : 0 };
}

/** An archive's names are UTF-8; what is none is taken for Latin-1. */
function text(bytes: string): string {
  const raw = Buffer.from(bytes, "latin1");
  const read = raw.toString("utf8");
  return Buffer.from(read, "utf8").equals(raw) ? read : bytes;
}

function packEmpty(tar: Pack, header: Partial<Header> & Pick<Header, "name">): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry(header, (error) => (error ? reject(error) : resolve())).end(undefined);
  });
}

async function packFile(
  tar: Pack,
  header: Partial<Header> & Pick<Header, "name">,
  content: AsyncIterable<Uint8Array>,
): Promise<void> {
  let settle: (error?: Error | null) => void = () => {};
  const done = new Promise<void>((resolve, reject) => {
    settle = (error) => (error ? reject(error) : resolve());
  });
  done.catch(() => {});
  const sink = tar.entry(header, (error) => settle(error));
  sink.on("error", () => {}); // `done` says so
  for await (const chunk of content) if (!sink.write(chunk)) await Promise.race([once(sink, "drain"), done]);
  sink.end(undefined);
  await done;
}
