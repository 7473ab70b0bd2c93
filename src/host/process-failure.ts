/** What a child that failed is reported as. */
import type { Command } from "../core/model/host.ts";
import { EstratoError, NoAnswer, WrongPassphrase } from "../errors.ts";
import { shortened } from "../shortened.ts";
import { UNSAFE } from "../unsafe-text.ts";

/** Debian's package for each program that we start. */
const PACKAGES: Readonly<Record<string, string>> = {
  virsh: "libvirt-clients",
  "qemu-img": "qemu-utils",
  "qemu-nbd": "qemu-utils",
  guestfish: "guestfish",
  xorriso: "xorriso",
  genisoimage: "genisoimage",
  ssh: "openssh-client",
  crontab: "cron",
  setfacl: "acl",
  getfacl: "acl",
  curl: "curl",
  setpriv: "util-linux",
  gpgv: "gpgv",
  "virt-sysprep": "guestfs-tools",
};

/** The program is not installed: "host", naming the Debian package. */
export class MissingProgram extends EstratoError {
  constructor(program: string) {
    const debian = PACKAGES[program];
    super("host", `${program}: the program is not installed`, {
      hint: debian ? `Install the Debian package ${debian}.` : `Install ${program}.`,
    });
  }
}

/** What spawn(2) says: "host" where the program is not installed, "failed" else. */
export function notStarted({ program }: Command, cause: NodeJS.ErrnoException): EstratoError {
  if (cause.code === "ENOENT") return new MissingProgram(program);
  return new EstratoError("failed", `${program}: ${cause.message}`, { cause });
}

const PATIENCE = "ESTRATO_HOST_TIMEOUT says for how long it is waited (seconds).";

/** "timeout": it was ended since nothing was heard, or seen, of it for so long. */
export function noAnswer(command: Command, as: "answer" | "change" | "work", silentMs: number): NoAnswer {
  const seconds = Math.round(silentMs / 100) / 10;
  const label = commandLabel(command);
  if (as === "work") {
    const hint = `The storage may not answer, or the machine stand still. ${PATIENCE}`;
    return new NoAnswer(`${label}: no progress for ${seconds} s`, { hint });
  }
  const who =
    command.program === "virsh" ? "Look at libvirt's daemon: it runs and does not answer, or a guest does not." : "";
  return new NoAnswer(`${label}: no answer within ${seconds} s`, { hint: `${who} ${PATIENCE}`.trimStart() });
}

/** "timeout": it has a limit of its own. */
export function overTime({ program }: Command): EstratoError {
  return new EstratoError("timeout", `${program}: it ran for longer than it may`);
}

/** "failed": more than an answer may hold. */
export function tooLong(command: Command): EstratoError {
  return new EstratoError("failed", `${commandLabel(command)}: its answer does not end`);
}

/** The operation's signal has cut it. */
export function interrupted({ program }: Command): EstratoError {
  return new EstratoError("interrupted", `${program}: interrupted`);
}

/**
 * "failed", with the child's last meaningful words; "conflict" where an image is in use, "host" where libvirt does not
 * answer or holds a wrong passphrase, where QEMU's user cannot reach a file, or where no space is left.
 */
export function failure(command: Command, result: { exit: number | null; stderr: string }): EstratoError {
  const words = lastWords(result.stderr);
  const why = words ?? (result.exit === null ? "ended by a signal" : `exit code ${result.exit}`);
  const message = `${commandLabel(command)}: ${why}`;
  if (isLockComplaint(result.stderr)) {
    return new EstratoError("conflict", message, { hint: "A guest or another program has the image open." });
  }
  if (/failed to (re)?connect to the hypervisor/i.test(result.stderr)) {
    return new EstratoError("host", message, { hint: "Start libvirt's daemon, or choose another with --connect." });
  }
  const unreachable = /Cannot access \w+ file '[^']*'.*\(as uid:(\d+), gid:\d+\): Permission denied/.exec(
    result.stderr,
  );
  if (unreachable !== null) {
    const line = `"chmod o+x FOLDER", or "setfacl -m u:${unreachable[1]}:x FOLDER"`;
    return new EstratoError("host", message, {
      hint: `QEMU's user may not pass through a folder above that file. Open it: ${line}.`,
    });
  }
  if (/No space left on device/.test(result.stderr)) {
    return new EstratoError("host", message, { hint: "Free some space there and run the command again." });
  }
  if (/Invalid password, cannot unlock any keyslot/.test(result.stderr)) {
    const wrong = `${commandLabel(command)}: the secret that libvirt holds does not open an encrypted file: it is another passphrase`;
    return new WrongPassphrase(wrong, { hint: 'Give it the right one: see "man estrato-concepts", Encryption.' });
  }
  return new EstratoError("failed", message);
}

/** Does QEMU say that somebody else has the image open? */
export function isLockComplaint(stderr: string): boolean {
  return /Failed to get (shared )?"[a-z ]+" lock|Is another process using the image/.test(stderr);
}

/** `virsh define`, `qemu-img commit`: the program and its verb. */
export function commandLabel(command: Command): string {
  const args = [...command.args];
  while (args[0]?.startsWith("-")) {
    const option = args.shift();
    if (option === "-c" || option === "--connect") args.shift();
  }
  const verb = args[0]?.split(/[\s;]/)[0];
  return verb && /^[a-z][a-z-]*$/.test(verb) ? `${command.program} ${verb}` : command.program;
}

/**
 * The last line of a child's complaint that says something, on one line, without control characters. Null where it said
 * nothing.
 */
export function lastWords(stderr: string): string | null {
  const lines = stderr
    .split("\n")
    .map((line) => line.replace(/^\s*(error|qemu-img|xorriso : FAILURE)\s*:\s*/, "").trim())
    .filter((line) => line !== "" && !line.startsWith("@@"));
  const last = lines.filter((line) => !/^Is another process using the image/.test(line)).at(-1);
  return last === undefined ? null : printable(last);
}

/** More than any path has. */
const LONGEST_TEXT = 4096;

/**
 * Text from a guest or a file, made harmless for a terminal and for one line, and no longer than one can be: no control
 * character, and no mark that nobody sees.
 */
export function printable(text: string): string {
  return shortened(text, LONGEST_TEXT).replace(UNSAFE, "?");
}
