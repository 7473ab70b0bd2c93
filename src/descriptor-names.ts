/**
 * What we hold open is reached through proc(5), by a number that tells nobody anything: here is what people call it. A
 * leaf: every part may import it.
 */
import { basename } from "node:path";

const names = new Map<string, string>();

/**
 * The path under which we and our children open the very file that `fd` stands for. Until `forgetDescriptor`, errors
 * call it `name` (errors.ts).
 */
export function descriptorPath(fd: number, name: string): string {
  const path = `/proc/${process.pid}/fd/${fd}`;
  names.set(path, inKnownNames(name)); // what is piped in is held once more
  return path;
}

/** The number stands for something else soon: to be called before the file is closed. */
export function forgetDescriptor(path: string): void {
  names.delete(path);
}

/** `text` with what people call each file. */
export function inKnownNames(text: string): string {
  let known = text;
  // No digit may follow: fd/2 is not the beginning of fd/23.
  for (const [path, name] of names) known = known.replaceAll(new RegExp(`${path}(?!\\d)`, "g"), () => name);
  return known;
}

/** The last part of what people call the file at `path`. */
export function knownBasename(path: string): string {
  return basename(names.get(path) ?? path);
}
