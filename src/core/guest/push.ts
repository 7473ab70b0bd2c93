/** `instance push`: a file into a guest, whole or not at all. */
import { createHash } from "node:crypto";
import { EstratoError } from "../../errors.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { openGuestFile, writeGuestFile } from "./files.ts";
import { type Guest, openGuest } from "./guest.ts";
import { freshName, IS_FOLDER, IS_IRREGULAR, IS_MISSING, notAFile, requireGuestPath } from "./paths.ts";
import { leaveScript, runScript, scriptFailure } from "./processes.ts";

export interface PushOptions {
  /** Absolute, in the guest: a file, or a folder that gets one of this `name`. */
  readonly path: string;
  /** What the file is called where it comes from; null: it has no name (a pipe). */
  readonly name: string | null;
  /** Octal digits; null: as the file that is there, else 0644. */
  readonly mode: string | null;
  readonly source: AsyncIterable<Buffer>;
  /** Null: nobody knows before its end. */
  readonly sizeBytes: number | null;
}

/** What is there now. */
export interface Pushed {
  readonly instance: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
}

/**
 * Where it goes, over links; and an empty file beside it that nobody else may read. What a push that was killed has
 * left in that folder goes first, when nothing has been written to it for an hour. Without $3 it only looks.
 */
const PREPARE = `g=$1
if [ -d "$g" ]; then [ -n "$2" ] || exit ${IS_FOLDER}; g=\${g%/}/$2; fi
case $g in */) exit ${IS_MISSING};; esac
if [ -L "$g" ]; then g=$(readlink -f -- "$g") || exit ${IS_MISSING}; fi
[ ! -d "$g" ] || exit ${IS_FOLDER}
[ ! -e "$g" ] || [ -f "$g" ] || exit ${IS_IRREGULAR}
d=\${g%/*}/
[ -d "$d" ] || exit ${IS_MISSING}
printf %s "$g"
[ -n "$3" ] || exit 0
find "$d" -maxdepth 1 -name '.estrato-*.push' -user 0 -mmin +60 -exec rm -f -- {} + 2>/dev/null
umask 077
set -C
: >"$d$3"`;

const NO_SHA256SUM = 21;
const DIFFERS = 22;

/** Gets the mode, the owner and what else a file has that is there, is on the disk, and takes its place. */
const FINISH = `t=$1 g=$2 m=$4
if [ -n "$3" ]; then
  command -v sha256sum >/dev/null || exit ${NO_SHA256SUM}
  s=$(sha256sum <"$t") || exit 1
  [ "\${s%% *}" = "$3" ] || exit ${DIFFERS}
fi
if [ -f "$g" ]; then
  if cp --attributes-only --preserve=all -- "$g" "$t" 2>/dev/null; then touch -- "$t"
  else chown "$(stat -c %u:%g -- "$g")" "$t" && chmod "$(stat -c %a -- "$g")" "$t" || exit 1; fi
else chmod 644 "$t" || exit 1; fi
if [ -n "$m" ]; then chmod "$m" "$t" || exit 1; fi
sync "$t" 2>/dev/null || sync
[ ! -d "$g" ] || exit ${IS_FOLDER}
mv -f -- "$t" "$g" || exit 1
sync "\${g%/*}/" 2>/dev/null || sync`;

/** A large file is summed and written out. */
const FINISH_MS = 600_000;

/**
 * Writes all of `source` into a file of the guest's. Under its name is the old file or the new one, whole, whenever we
 * or the guest are killed; what is there has been read again and is what was sent, and is on the guest's disk. Throws
 * "usage" for a path or a target that makes no sense, "not_found" where its folder is not there, "conflict" and "host"
 * as openGuest, "integrity" where the guest read something else. In a dry run a plan.
 */
export async function pushFile(world: World, target: string, options: PushOptions): Promise<Pushed | PlanView> {
  requireGuestPath(options.path);
  const guest = await openGuest(world, target);
  const hidden = world.dryRun ? "" : freshName("push");
  const path = await prepare(guest, options, hidden);
  if (world.dryRun) {
    const title = `Write ${options.name ?? "standard input"} to ${path} in ${guest.name}`;
    return { steps: [{ title, commands: [] }], notes: [], freesBytes: null };
  }
  const part = `${path.slice(0, path.lastIndexOf("/") + 1)}${hidden}`;
  try {
    const sum = createHash("sha256");
    const title = `Writing ${path} in ${guest.name}`;
    let sizeBytes = 0;
    await writeGuestFile(guest, part, options.source, (piece) => {
      sum.update(piece);
      sizeBytes += piece.length;
      tellProgress(world, title, sizeBytes, options.sizeBytes);
    });
    const sha256 = sum.digest("hex");
    await finish(guest, part, path, sha256, options.mode);
    return { instance: guest.name, path, sizeBytes, sha256 };
  } catch (error) {
    await leaveScript(guest, 'rm -f -- "$1"', [part]);
    throw error;
  }
}

/** Of what is moved into a guest, or out of it. */
export function tellProgress(world: World, title: string, doneBytes: number, totalBytes: number | null): void {
  if (totalBytes === null || totalBytes === 0) world.report.progress(title, null);
  else world.report.progress(title, Math.min(1, doneBytes / totalBytes), { totalBytes });
}

async function prepare(guest: Guest, { path, name }: PushOptions, hidden: string): Promise<string> {
  const end = await runScript(guest, PREPARE, [path, name ?? "", hidden]);
  if (end.exit === 0 && end.out.startsWith("/")) return end.out;
  throw notAFile(guest, path, end.exit) ?? scriptFailure(guest, `push ${path}`, end);
}

async function finish(guest: Guest, part: string, path: string, sha256: string, mode: string | null): Promise<void> {
  let end = await runScript(guest, FINISH, [part, path, sha256, mode ?? ""], FINISH_MS);
  if (end.exit === NO_SHA256SUM) {
    if ((await sumReadBack(guest, part)) !== sha256) throw differs(guest, path);
    end = await runScript(guest, FINISH, [part, path, "", mode ?? ""], FINISH_MS);
  }
  if (end.exit === DIFFERS) throw differs(guest, path);
  if (end.exit !== 0) throw notAFile(guest, path, end.exit) ?? scriptFailure(guest, `push ${path}`, end);
}

async function sumReadBack(guest: Guest, path: string): Promise<string> {
  const sum = createHash("sha256");
  const file = await openGuestFile(guest, path, "r");
  try {
    for (let piece = await file.read(); piece.length > 0; piece = await file.read()) sum.update(piece);
  } finally {
    await file.close();
  }
  return sum.digest("hex");
}

function differs({ name }: Guest, path: string): EstratoError {
  return new EstratoError("integrity", `instance ${name}: ${path}: the guest has read something else than was sent`, {
    hint: "What was there is as it was. Try again; if it stays so, look at the guest's disk.",
  });
}
