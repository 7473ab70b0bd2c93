import { resolve } from "node:path";
import type { Verified } from "../../core/backups/verify.ts";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import { rest } from "../framework/arguments.ts";
import { duration, flag, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { verifiedColumns } from "./columns.ts";
import { placesOf, target } from "./place.ts";

export default verb({
  description:
    "Reads backups, and all that they build on, and compares every byte with the checksums that were taken when they were written. What is " +
    "damaged is named, with its file and place.\n\n" +
    "--boot starts a throw-away guest without a network from what is sound, and waits for its guest agent. It writes to an overlay: the backup " +
    "stays as it is.",
  arguments: {
    backups: rest("BACKUP", "the backup: an id, or a name (the newest of that name)", { complete: "backup" }),
  },
  options: {
    target,
    all: flag("all backups of the target, each file read once"),
    boot: flag("start a guest from it as well, and wait for its agent"),
    timeout: duration("with --boot: how long to wait for the agent", { default: 300_000 }),
    screenshot: text("FILE", "with --boot: a picture of its screen at the end (PNG or PPM, as QEMU makes it)", {
      complete: "file",
    }),
  },
  result: result.one(verifiedColumns),
  changes: true,
  examples: [
    { line: "estrato backup verify before-upgrade", says: "one backup, and what it builds on" },
    { line: "estrato backup verify --all -q", says: "from cron: says nothing where all is well" },
  ],
  exits: { 4: "there is no such backup", 6: "the target is not there", 9: "something is damaged" },
  async run(context) {
    const { args, options } = context;
    if (options.all === args.backups.length > 0) {
      throw new EstratoError("usage", "backup verify: name backups, or give --all", { hint: "One of the two." });
    }
    const core = await context.world();
    const { verifyAll, verifyBackup } = await import("../../core/backups/verify.ts");
    const targets = await placesOf(context.factory, core, options.target);
    const words = { kind: "backup", verb: "verify" };
    const read: Verified[] = [];
    if (options.all) for (const one of targets) read.push(...(await verifyAll(core, one)));
    else
      read.push(
        ...[await eachTarget(context, args.backups, words, (word) => verifyBackup(core, targets, word))].flat(),
      );
    const found = options.boot ? await booted(core, targets, read, options) : read;
    const damaged = found.filter(({ status }) => status === "damaged");
    const [first] = damaged;
    if (first !== undefined) {
      for (const { id, problems } of damaged) for (const problem of problems) core.report.note(`${id}: ${problem}`);
      context.failure ??= new EstratoError("integrity", `${damaged.length} of ${found.length} backups are damaged`, {
        hint: "Take a new one now; what is damaged cannot be restored.",
      });
    }
    const [only] = found;
    return options.all || args.backups.length > 1 ? found : only;
  },
});

async function booted(
  core: World,
  targets: readonly string[],
  read: readonly Verified[],
  { timeout: timeoutMs, screenshot }: { readonly timeout: number; readonly screenshot: string | null },
): Promise<Verified[]> {
  if (core.dryRun) return [...read];
  const { bootSound } = await import("../../core/backups/boot.ts");
  return bootSound(core, targets, read, { timeoutMs, screenshot: screenshot === null ? null : resolve(screenshot) });
}
