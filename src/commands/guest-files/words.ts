/** What the verbs that read a guest's files have in common: of a backup or of a snapshot. */
import { resolve } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Extracted, ExtractTarget } from "../../core/guest-files/extract.ts";
import { EstratoError } from "../../errors.ts";
import type { Streams } from "../../ui/streams.ts";
import { humanSize } from "../../units.ts";
import { many, one, optional } from "../framework/arguments.ts";
import { noteChanged } from "../framework/changed.ts";
import { text } from "../framework/options.ts";

export const READ_BY =
  "libguestfs reads the file systems, in a small machine of its own that starts for it (some seconds, without KVM some more): neither root nor " +
  "a network is needed, and this host mounts nothing. It is the Debian package guestfish, and a kernel in /boot that the caller may read. " +
  "What the guest had only in the journal of a file system is there too.";

export const WHICH =
  "Where one operating system is recognised its file systems are where it mounts them; where none is, and there is one file system, " +
  "that is what is read. Else --file-system names it: `vda1`, `vdb`, or `/dev/GROUP/VOLUME` of LVM.";

export const SAFELY =
  "Into a folder all comes whole or not at all, and belongs to who extracts it, whatever owners the guest knows; set-user-ID and the like are " +
  "dropped, holes stay holes, and nothing is replaced. Links that would lead out of the folder are left out, and so are devices, FIFOs and sockets; " +
  "notes say which. `--to -` writes a tar archive to standard output, with the guest's owners (by number) and all of its links. A link that is " +
  "named itself is followed within the guest.";

export const snapshot = one("SNAPSHOT", "the snapshot: an id, a name, or INSTANCE/NAME", {
  complete: "snapshot",
  ask: "Which snapshot?",
});
export const path = optional("PATH", "a folder or a file of the guest, from its root on; left out: /");
export const paths = many("PATH", "a file or folder of the guest, from its root on", { ask: "Which file or folder?" });

export const disk = text("DEVICE", "read this disk alone");
export const fileSystem = text("DEVICE", "read this file system: vda1, /dev/vg/home");
export const to = text(
  "DIR|-",
  "the folder to put them into (its last part is made); - is a tar archive on standard output",
  {
    required: true,
    complete: "folder",
  },
);

export const READING_EXITS = {
  2: "a path is relative",
  4: "there is no such file, disk or file system; where no operating system is recognised the file systems are listed",
  6: "guestfish, a kernel that may be read, or the passphrase is missing",
  9: "it is damaged, or its file system cannot be mounted",
};

/** Where `--to` says that they go. Throws "usage" for an archive to a terminal. */
export function targetOf(given: string, { stdout }: Streams, dryRun: boolean): ExtractTarget {
  if (given !== "-") return { kind: "folder", path: resolve(given) };
  if (stdout.isTTY && !dryRun) {
    throw new EstratoError("usage", "--to -: standard output is a terminal", {
      hint: "Redirect it, or name a folder.",
    });
  }
  return { kind: "archive", write: (archive) => writeOut(archive, stdout) };
}

async function writeOut(archive: AsyncIterable<Uint8Array>, stdout: Streams["stdout"]): Promise<void> {
  try {
    await pipeline(Readable.from(archive, { objectMode: false }), stdout, { end: false });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EPIPE" || code === "ERR_STREAM_PREMATURE_CLOSE") return; // a closed pipe is no error
    throw error;
  }
}

/** What `extract` answers with: of an archive nothing, since standard output holds that. */
export function answerOf<T extends object>(found: T, to: ExtractTarget, dryRun: boolean): T | null {
  if (to.kind === "archive" && !dryRun) return null;
  noteChanged(found, true);
  return found;
}

/** The sentence at its end; null where an archive was written. */
export function saidOf(done: unknown): string | null {
  const row = done as Extracted | null; // as its verb declares
  if (row === null || row.to === null) return null;
  const files = `${row.files} ${row.files === 1 ? "file" : "files"}`;
  return `Extracted ${files} (${humanSize(row.size_bytes)}) to ${row.to}.`;
}
