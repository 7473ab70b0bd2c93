/**
 * A file from outside, kept open: its owner may rename it, or put another in its place, but what we have open stays
 * what it is.
 */
import { descriptorPath, forgetDescriptor } from "../descriptor-names.ts";
import { EstratoError } from "../errors.ts";
import { lookAt, openOutside } from "../outside-file.ts";
import { printable } from "./process-failure.ts";

export interface HeldFile {
  /** proc(5): opening it opens the very file that we hold, in us and in our children. */
  readonly path: string;
  /** Device, inode, size and times. The owner of a file can set back its mtime, but not its ctime (inode(7)). */
  stamp(): Promise<string>;
  close(): Promise<void>;
}

/** "not_found" where there is no such file, "host" where it cannot be read. */
export async function holdFile(path: string, calledAs = path): Promise<HeldFile> {
  try {
    const file = await openOutside(path);
    const held = descriptorPath(file.fd, calledAs);
    return {
      path: held,
      async stamp() {
        const { dev, ino, size, mtimeNs, ctimeNs } = await file.stat({ bigint: true });
        return [dev, ino, size, mtimeNs, ctimeNs].join(":");
      },
      close() {
        forgetDescriptor(held);
        return file.close();
      },
    };
  } catch (cause) {
    if (cause instanceof EstratoError) throw cause;
    throw notOpened(path, cause);
  }
}

/** What open(2) says of a file that a person named: "not_found" where there is none, else "host". */
export function notOpened(path: string, cause: unknown): EstratoError {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === "ENOENT" || code === "ENOTDIR") {
    return new EstratoError("not_found", `${printable(path)}: no such file`, { hint: "Check the path.", cause });
  }
  return new EstratoError("host", `${printable(path)}: cannot be read (${code})`, { hint: lookAt(path), cause });
}
