/** The real clock, the real ids, this machine, and who calls. A leaf: the factory hands them to core. */
import { readFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { setTimeout } from "node:timers/promises";
import type { Clock, Ids } from "./core/ports.ts";
import { EstratoError } from "./errors.ts";
import { randomDigits, randomUuid } from "./random.ts";

export const realClock: Clock = {
  now: () => new Date(),
  elapsedMs: () => Math.round(performance.now()),
  /** Throws "interrupted" when `signal` aborts, before or while sleeping. */
  async sleep(ms, signal) {
    try {
      await setTimeout(ms, undefined, signal === undefined ? {} : { signal });
    } catch (cause) {
      throw new EstratoError("interrupted", "interrupted while waiting", { cause });
    }
  },
};

const ID_DIGITS = 17; // as long as an EC2 resource id

export const realIds: Ids = {
  next: (prefix) => `${prefix}-${randomDigits(ID_DIGITS)}`,
  uuid: randomUuid,
  mac: () => `52:54:00${randomDigits(6).replaceAll(/../g, ":$&")}`,
};

/** Which machine it is: what machine-id(5) says (null: it says nothing), and what it calls itself. */
export interface Machine {
  readonly id: string | null;
  readonly name: string;
}

/** The second is where D-Bus had it before systemd did. */
const MACHINE_IDS = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/** Reads `files` until one holds an id: an image that was not booted yet has an empty one, or "uninitialized". */
export function thisMachine(files: readonly string[] = MACHINE_IDS): Machine {
  for (const file of files) {
    try {
      const id = readFileSync(file, "utf8").trim();
      if (/^[0-9a-f]{32}$/.test(id) && !/^0+$/.test(id)) return { id, name: hostname() };
    } catch {
      // not there, or nobody may read it: it says nothing
    }
  }
  return { id: null, name: hostname() };
}

/**
 * The name of the user who calls; behind sudo, the one who called sudo. SUDO_USER counts for root alone: anyone else
 * may set it. `nameOfUser` is asked for the name of the process's own user.
 */
export function callingUser(
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
  nameOfUser: () => string = () => userInfo().username,
): string {
  const behindSudo = env.SUDO_USER;
  if (uid === 0 && behindSudo) return behindSudo;
  try {
    return nameOfUser();
  } catch {
    return String(uid); // no entry in passwd: a container, a removed user
  }
}
