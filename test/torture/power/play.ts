/** Plays the calls of a trace on the model of a disk. */
import { resolve } from "node:path";
import { type Disk, fresh } from "./disk.ts";
import { bytesOf, type Call, pathOf } from "./trace.ts";

export function play(disk: Disk, calls: readonly Call[]): void {
  for (const call of calls) PLAYED[call.name]?.(disk, call.args, call);
}

type Args = readonly string[];
const plain = (args: Args, at: number) => bytesOf(args[at] ?? "").toString();
const inFolder = (args: Args, at: number) => resolve(pathOf(args[at] ?? "") ?? "/", plain(args, at + 1));
const fileOf = (disk: Disk, args: Args, at: number) => disk.find(pathOf(args[at] ?? ""));

/** `[12] => [34]`; NULL: where the file stands. */
function offset(arg = ""): number | null {
  const found = /\d+/.exec(arg);
  return found === null ? null : Number(found[0]);
}

const append = (disk: Disk, args: Args, { result }: Call) =>
  disk.write(fileOf(disk, args, 0), null, bytesOf(args[1] ?? "").subarray(0, result));
const writeAt = (disk: Disk, args: Args, { result }: Call) =>
  disk.write(
    fileOf(disk, args, 0),
    Number(args.at(args.length === 5 ? 3 : -1)),
    bytesOf(args[1] ?? "").subarray(0, result),
  );
const sync = (disk: Disk, args: Args) => disk.sync(fileOf(disk, args, 0));
const syncAll = (disk: Disk) => disk.syncAll();

const PLAYED: Readonly<Record<string, (disk: Disk, args: Args, call: Call) => void>> = {
  open: (disk, args, { opened }) => disk.opened(opened ?? plain(args, 0), args[1] ?? ""),
  creat: (disk, args, { opened }) => disk.opened(opened ?? plain(args, 0), "O_WRONLY|O_CREAT|O_TRUNC"),
  openat: (disk, args, { opened }) => disk.opened(opened ?? inFolder(args, 0), args[2] ?? ""),
  write: append,
  writev: append,
  pwrite64: writeAt,
  pwritev: writeAt,
  pwritev2: writeAt,
  copy_file_range: (disk, args, { result }) =>
    disk.copied(fileOf(disk, args, 0), offset(args[1]), fileOf(disk, args, 2), offset(args[3]), result),
  sendfile: (disk, args, { result }) =>
    disk.copied(fileOf(disk, args, 1), offset(args[2]), fileOf(disk, args, 0), null, result),
  ftruncate: (disk, args) => disk.resize(fileOf(disk, args, 0), Number(args[1])),
  truncate: (disk, args) => disk.resize(disk.find(plain(args, 0)), Number(args[1])),
  fallocate: (disk, args) => disk.zero(fileOf(disk, args, 0), args[1] ?? "", Number(args[2]), Number(args[3])),
  rename: (disk, args) => disk.rename(plain(args, 0), plain(args, 1), ""),
  renameat: (disk, args) => disk.rename(inFolder(args, 0), inFolder(args, 2), ""),
  renameat2: (disk, args) => disk.rename(inFolder(args, 0), inFolder(args, 2), args[4] ?? ""),
  link: (disk, args) => disk.link(plain(args, 0), plain(args, 1)),
  linkat: (disk, args) => disk.link(inFolder(args, 0), inFolder(args, 2)),
  unlink: (disk, args) => disk.name(plain(args, 0), null),
  rmdir: (disk, args) => disk.name(plain(args, 0), null),
  unlinkat: (disk, args) => disk.name(inFolder(args, 0), null),
  mkdir: (disk, args) => disk.name(plain(args, 0), fresh("folder")),
  mkdirat: (disk, args) => disk.name(inFolder(args, 0), fresh("folder")),
  fsync: sync,
  fdatasync: sync,
  sync: syncAll,
  syncfs: syncAll,
};
