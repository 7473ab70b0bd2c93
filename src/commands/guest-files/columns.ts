/** The files of a guest, as `files` and `extract` print them. */
import type { Extracted } from "../../core/guest-files/extract.ts";
import type { FileView } from "../../core/guest-files/list.ts";
import { number, size, text, time, words } from "../../ui/output/columns.ts";
import { oneOf } from "../../ui/output/shape.ts";

const hidden = { listed: false };
const KINDS = oneOf("file", "folder", "link", "device", "fifo", "socket");

export const fileColumns = [
  text<FileView>("type", (one) => one.type, { rank: 0, shape: KINDS }),
  text<FileView>("mode", (one) => one.mode, { rank: 0 }),
  text<FileView>("owner", (one) => one.owner, { rank: 0 }),
  number<FileView>("uid", (one) => one.uid, hidden),
  number<FileView>("gid", (one) => one.gid, hidden),
  size<FileView>("size_bytes", (one) => one.size_bytes, { rank: 0 }),
  time<FileView>("modified_at", (one) => one.modified_at, { rank: 0 }),
  text<FileView>("path", (one) => one.path, { rank: 0 }),
];

export const extractedColumns = [
  text<Extracted>("to", (one) => one.to, { orNull: true }),
  number<Extracted>("files", (one) => one.files),
  number<Extracted>("folders", (one) => one.folders),
  number<Extracted>("links", (one) => one.links),
  size<Extracted>("size_bytes", (one) => one.size_bytes),
  words<Extracted>("left_out", (one) => one.left_out),
];
