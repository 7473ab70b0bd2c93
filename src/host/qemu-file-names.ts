/** What the names mean that QEMU, and the headers of images, have of files. */
import { realpathSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { type JsonAnswer, readAnswer } from "./json-answer.ts";

/** A protocol of QEMU's in front: nbd://…, and what no local file is. */
const PROTOCOL = /^[a-z][a-z0-9+.-]*:/i;

/**
 * The file that QEMU opens for this name in the header of `path`: it takes a relative one from the folder of the name
 * that `path` was opened by (bdrv_get_full_backing_filename). `..` behind a link to a folder leads above what the link
 * leads to, which only the kernel can tell. The file itself may be a link: what it names is looked for beside the link,
 * not beside the file that this leads to. A name that is no file's is given back as it is.
 */
export function backingPath(path: string, named: string): string {
  const name = filePathOf(named);
  if (PROTOCOL.test(name)) return name;
  const opened = name.startsWith("/") ? name : `${dirname(path)}/${name}`;
  const plain = resolve(opened);
  if (!opened.split("/").includes("..")) return plain;
  const folder = realPath(dirname(opened));
  return folder === realPath(dirname(plain)) ? plain : join(folder, basename(opened));
}

/** Of what is not there, the place where it would be. Node's own way would take out `..` before it looks. */
function realPath(path: string): string {
  try {
    return realpathSync.native(path);
  } catch {
    const folder = dirname(path);
    return folder === path ? path : join(realPath(folder), basename(path));
  }
}

/**
 * The path that one of QEMU's file names means. QEMU writes `json:{…}` where a plain name would not say all of the
 * node's options; its `file` then leads to the name (qemu-block-drivers(7)).
 */
export function filePathOf(name: string): string {
  if (!name.startsWith("json:")) return name.startsWith("file:") ? name.slice("file:".length) : name;
  const top = readAnswer(name.slice("json:".length), "qemu-img");
  return fileNameIn(top) ?? name;
}

/** In breadth, not by calls of itself: whoever wrote a header says how deep it is. */
function fileNameIn(top: JsonAnswer): string | null {
  for (let at: JsonAnswer | null = top; at !== null; at = at.inner("file") ?? at.inner("image")) {
    const found = at.text("filename") ?? at.text("file.filename");
    if (found !== null) return filePathOf(found);
  }
  return null;
}
