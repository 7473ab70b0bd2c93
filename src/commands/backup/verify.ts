import { resolve } from "node:path";
import type { Verified } from "../../core/backups/verify.ts";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import { optionalMany } from "../framework/arguments.ts";
import { duration, flag, percent, text } from "../framework/options.ts";
import { passphraseFileOf } from "../framework/passphrase.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { verifiedColumns } from "./columns.ts";
import { isTargetNamed, openedWith, placesOf, SAID, target } from "./place.ts";

export default verb({
  description:
    "Reads backups, and all that they build on, and compares every byte with the checksums that were taken when they were written. What is " +
    "damaged is named, with its file and place.\n\n" +
    "--data-subset N% reads that share of their data only, and all else: the shares of successive days follow each other, so that a line of cron " +
    "that runs it each day reads all in 100/N days. No share says that a damaged one is whole again: what was found damaged is read whole.\n\n" +
    "--boot starts a throw-away guest without a network from what is sound, and waits until it is up: until its guest agent answers, or, with " +
    "--console-text, until that text stands on its first serial console. A guest without an agent never answers: it counts as unbootable when " +
    "--timeout is over, so name a text that it writes there when it is up. What it writes goes to an overlay: the backup stays as it is. " +
    "An encrypted one needs its passphrase for this; the checksums are compared without it.",
  arguments: {
    backups: optionalMany("BACKUP", SAID, { complete: "backup" }),
  },
  options: {
    target,
    all: flag("all backups of the target, each file read once"),
    dataSubset: percent("read only that share of the data, each day another: 5%"),
    boot: flag("start a guest from it as well, and wait until it is up"),
    consoleText: text(
      "TEXT",
      'with --boot: it is up when its serial console shows this ("login:"); else when its agent answers',
    ),
    passphraseFile: passphraseFileOf("of encrypted backups, with --boot"),
    timeout: duration("with --boot: how long to wait for that", { default: 300_000 }),
    screenshot: text("FILE", "with --boot: a picture of its screen at the end (PNG or PPM, as QEMU makes it)", {
      complete: "file",
    }),
  },
  result: result.one(verifiedColumns),
  changes: true,
  withoutStore: isTargetNamed,
  examples: [
    { line: "estrato backup verify before-upgrade", says: "one backup, and what it builds on" },
    { line: "estrato backup verify --all -q", says: "from cron: says nothing where all is well" },
    { line: "estrato backup verify --all --data-subset 5% -q", says: "daily from cron: all is read in twenty days" },
    { line: 'estrato backup verify nightly --boot --console-text "login:"', says: "of a guest without an agent" },
  ],
  exits: {
    2: "an encrypted one is to be booted, and no passphrase is given",
    3: "some could not be read, a target that is away with --all; the others are sound",
    4: "there is no such backup",
    5: "one looks damaged, and cannot be read again while an operation is under way in its target",
    6: "the target is not there, or the passphrase is not that of the backup",
    9: "something is damaged, or does not boot in time",
  },
  async run(context) {
    const { args, options } = context;
    if (options.all === args.backups.length > 0) {
      throw new EstratoError("usage", "backup verify: name backups, or give --all", { hint: "One of the two." });
    }
    requireBoot(options);
    const core = await context.world();
    const { shareOfDay } = await import("../../core/backups/share.ts");
    const { verifyAll, verifyBackup } = await import("../../core/backups/verify.ts");
    const targets = await placesOf(context.factory, core, options.target);
    const verb = "verify";
    const share = options.dataSubset === null ? null : shareOfDay(options.dataSubset, context.factory.clock.now());
    if (options.boot) {
      const { requireOpener } = await import("../../core/backups/boot.ts");
      await requireOpener(core, targets, options.all ? null : args.backups, openedWith(options.passphraseFile));
    }
    const read: Verified[] = options.all
      ? [await eachTarget(context, targets, { kind: "target", verb }, (one) => verifyAll(core, one, share))].flat(2)
      : [
          await eachTarget(context, args.backups, { kind: "backup", verb }, (word) =>
            verifyBackup(core, targets, word, share),
          ),
        ].flat();
    const found = options.boot ? await booted(core, read, options) : read;
    for (const { id, problems } of found) for (const problem of problems) core.report.note(`${id}: ${problem}`);
    context.failure = failureOf(found) ?? context.failure; // that something is damaged matters most
    const [only] = found;
    return options.all || args.backups.length > 1 ? found : only;
  },
});

/** Null where all is well. */
function failureOf(found: readonly Verified[]): EstratoError | null {
  const bad = (status: Verified["status"]) => found.filter((one) => one.status === status).length;
  const [damaged, unbootable] = [bad("damaged"), bad("unbootable")];
  if (damaged > 0) {
    return new EstratoError("integrity", `${damaged} of ${found.length} backups are damaged`, {
      hint: "Take a new one now; what is damaged cannot be restored.",
    });
  }
  if (unbootable === 0) return null;
  return new EstratoError("integrity", `${unbootable} of ${found.length} backups did not boot`, {
    hint: "Every byte is as it was written: look at its screen (--screenshot), or give it longer (--timeout).",
  });
}

interface BootWords {
  readonly boot: boolean;
  readonly timeout: number;
  readonly consoleText: string | null;
  readonly passphraseFile: string | null;
  readonly screenshot: string | null;
}

/** Throws "usage" for what says how to boot where nothing is booted. */
function requireBoot({ boot, consoleText, passphraseFile: key, screenshot }: BootWords): void {
  const given = { "--console-text": consoleText, "--passphrase-file": key, "--screenshot": screenshot };
  const odd = boot ? undefined : Object.entries(given).find(([, value]) => value !== null)?.[0];
  if (odd === undefined) return;
  throw new EstratoError("usage", `backup verify: ${odd} is for --boot`, { hint: "Say --boot too, or leave it out." });
}

async function booted(
  core: World,
  read: readonly Verified[],
  { timeout: timeoutMs, consoleText, passphraseFile: key, screenshot }: BootWords,
): Promise<Verified[]> {
  if (core.dryRun) return [...read];
  const { bootSound } = await import("../../core/backups/boot.ts");
  const picture = screenshot === null ? null : resolve(screenshot);
  return bootSound(core, read, {
    timeoutMs,
    consoleText,
    passphraseFile: openedWith(key),
    screenshot: picture,
  });
}
