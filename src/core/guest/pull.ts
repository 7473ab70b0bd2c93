/** `instance pull`: a file out of a guest. */
import { EstratoError } from "../../errors.ts";
import { humanSize } from "../../units.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { openGuestFile, READ_BYTES } from "./files.ts";
import { type Guest, openGuest, requireGoingOn } from "./guest.ts";
import { IS_FOLDER, IS_IRREGULAR, IS_MISSING, notAFile, requireGuestPath } from "./paths.ts";
import { runScript, scriptFailure } from "./processes.ts";
import { tellProgress } from "./push.ts";

/** Where it goes. Called in this order, and `write` as often as need be. */
export interface PullTarget {
  /** For a plan. */
  readonly name: string;
  /** There is such a file. Returns how many bytes fit here; null: it is a pipe. In a dry run nothing else is called. */
  begin(): Promise<number | null>;
  /** False: nobody reads on. */
  write(bytes: Buffer): Promise<boolean>;
  /** It is whole. `mode`: of the file in the guest, its permission bits. */
  done(mode: number): Promise<void>;
}

/** What was there. */
export interface Pulled {
  readonly instance: string;
  readonly path: string;
  readonly sizeBytes: number;
}

/** Before it is opened: the agent would wait for a pipe, and a device may have no end. */
const LOOK = `[ ! -d "$1" ] || exit ${IS_FOLDER}
if [ ! -f "$1" ]; then [ -e "$1" ] && exit ${IS_IRREGULAR}; exit ${IS_MISSING}; fi
stat -L -c '%s %a' -- "$1"`;

const LOOKED = /^(\d{1,15}) ([0-7]{1,4})\n$/;

/**
 * Reads a file of the guest's, as long as it was when it was opened: what is written to its end meanwhile is left out.
 * One that says that it is empty (those of /proc) is read to its end, but no further than what fits. Throws "usage" for
 * a path or a target that makes no sense, "not_found", "conflict" and "host" as openGuest; "host" where it does not
 * fit; "failed" where it became shorter meanwhile. In a dry run a plan.
 */
export async function pullFile(world: World, target: string, path: string, to: PullTarget): Promise<Pulled | PlanView> {
  requireGuestPath(path);
  const guest = await openGuest(world, target);
  const { size, mode } = await look(guest, path);
  const room = await to.begin();
  if (room !== null && size > room) throw noRoom(guest, path, size, room);
  if (world.dryRun) {
    const title = `Write ${path} of ${guest.name} (${humanSize(size)}) to ${to.name}`;
    return { steps: [{ title, commands: [] }], notes: [], freesBytes: null };
  }
  const file = await openGuestFile(guest, path, "r");
  const title = `Reading ${path} in ${guest.name}`;
  let read = 0;
  try {
    for (;;) {
      const piece = await file.read(size === 0 ? READ_BYTES : Math.min(READ_BYTES, size - read));
      read += piece.length;
      if (room !== null && read > room) throw noRoom(guest, path, read, room);
      if (piece.length > 0 && !(await to.write(piece))) break;
      tellProgress(world, title, read, size);
      if (piece.length === 0 && read < size) throw shorter(guest, path);
      if (piece.length === 0 || (size > 0 && read === size)) break;
      requireGoingOn(guest);
    }
  } finally {
    await file.close();
  }
  await to.done(mode);
  return { instance: guest.name, path, sizeBytes: read };
}

async function look(guest: Guest, path: string): Promise<{ size: number; mode: number }> {
  const end = await runScript(guest, LOOK, [path]);
  const [, size, mode] = LOOKED.exec(end.out) ?? [];
  if (end.exit !== 0 || size === undefined || mode === undefined) {
    throw notAFile(guest, path, end.exit) ?? scriptFailure(guest, `pull ${path}`, end);
  }
  return { size: Number(size), mode: Number.parseInt(mode, 8) & 0o777 };
}

function noRoom({ name }: Guest, path: string, size: number, room: number): EstratoError {
  return new EstratoError(
    "host",
    `instance ${name}: ${path}: ${humanSize(size)}, and ${humanSize(room)} are free here`,
    {
      hint: "Free some space, or name another folder.",
    },
  );
}

function shorter({ name }: Guest, path: string): EstratoError {
  return new EstratoError("failed", `instance ${name}: ${path}: it became shorter while it was read`, {
    hint: "Pull it again.",
  });
}
