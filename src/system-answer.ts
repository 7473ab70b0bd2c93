/** What the system answers to a call, in words for people: nobody reads the name of an errno. A leaf. */
import { EstratoError } from "./errors.ts";

/** What the machine answers to a call of ours, whoever is at fault: "host". */
export const ANSWERS: Readonly<Record<string, readonly [words: string, hint: string]>> = {
  ENOENT: ["it is not there", "Put it back where it was, or mount the file system that it lies on."],
  ENOTDIR: ["a part of its path is no folder", "See what is in its way."],
  EISDIR: ["it is a folder", "Name a file."],
  EEXIST: ["there is one already", "Move it away."],
  EPERM: ["operation not permitted", "See who owns it, and whether it is marked as unchangeable (lsattr)."],
  EACCES: ["permission denied", "Run it as the user who owns it, or with sudo."],
  EROFS: ["the file system is read-only", "Mount it writable."],
  ENOSPC: ["no space left on the file system", "Free some space there and run the command again."],
  EDQUOT: ["the disk quota is used up", "Free some of your quota there and run the command again."],
  EIO: ["the disk does not read or write it", "Look into the kernel's log (dmesg): the disk may be failing."],
  ESTALE: ["its file system has gone", "Mount it again."],
  ENOTCONN: ["its file system has gone", "Mount it again."],
  EHOSTDOWN: ["its file system does not answer", "Look at the server that it comes from."],
  ETIMEDOUT: ["its file system does not answer", "Look at the server that it comes from."],
  EMFILE: ["too many files are open", "Raise the limit (ulimit -n)."],
  ENFILE: ["too many files are open on this machine", "Raise the limit (fs.file-max)."],
  ENOMEM: ["there is not enough memory", "Free some memory."],
  EFBIG: ["it would be larger than the file system allows", "Use another file system."],
  ELOOP: ["its links lead in a circle", "Mend the links."],
  ENAMETOOLONG: ["its name is too long", "Give shorter names."],
  ETXTBSY: ["it is being run", "Wait until it has ended."],
  EBUSY: ["it is in use", "Wait until it is free."],
};

/** What a call of the system answered, with its file; null where it is something else. */
export function answerOf(error: unknown): EstratoError | null {
  if (!(error instanceof Error)) return null;
  const { code = "", path, dest, syscall } = error as NodeJS.ErrnoException & { readonly dest?: string };
  const [words, hint] = ANSWERS[code] ?? [];
  if (words === undefined || hint === undefined || syscall === undefined) return null;
  const what = [path, dest].filter((one) => one !== undefined).join(", ") || syscall;
  return new EstratoError("host", `${what}: ${words} (${syscall})`, { hint, cause: error });
}

/** Any error in words for people, to be put into a message. */
export function wordsOf(error: unknown): string {
  return answerOf(error)?.message ?? (error instanceof Error ? error.message : String(error));
}
