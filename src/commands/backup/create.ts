import type { TakenBackup } from "../../core/backups/take.ts";
import { words } from "../../ui/output/columns.ts";
import { humanSize } from "../../units.ts";
import { many } from "../framework/arguments.ts";
import { QUIESCE, quiesceOf, settingOf } from "../framework/defaults.ts";
import { choice, flag, repeated, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { backupColumns } from "./columns.ts";
import { encryptionOptions, passphraseFor } from "./encryption.ts";
import { placeOf, target } from "./place.ts";
import { policyFor, policyOptions, zone } from "./policy.ts";

export default verb({
  description:
    "Takes a backup of all disks of an instance at one moment, running or not, with its definition and NVRAM, and prints it. The instance is " +
    "never paused for the copy. It counts only when it is whole and on the disk; of one that failed nothing is left.\n\n" +
    "--incremental copies what has changed since the newest backup of the same instance in the same target, whatever its type; where there is " +
    "nothing to build on it copies in full, and says so.\n\n" +
    "Afterwards the oldest of the same instance and type go: --rotation N keeps N, the --keep-* options keep one for each of so many hours, " +
    "days, weeks, months or years. Protected ones stay, and are not counted.",
  arguments: {
    instances: many("INSTANCE", "the instance", { complete: "instance", ask: "Backup of which instance?" }),
  },
  options: {
    ...policyOptions,
    zone,
    type: text("TYPE", "what it is rotated with: daily, weekly, …", { setting: "backup_type" }),
    name: text("NAME", "a name; it need not be unique"),
    target,
    incremental: flag("only what has changed"),
    compress: flag("compress it; takes longer"),
    ...encryptionOptions,
    quiesce: choice(QUIESCE, "quiesce the guest's file systems", { setting: "quiesce" }),
    disk: repeated(text("DEVICE", "only this disk, vda")),
  },
  result: result.one([...backupColumns, words<TakenBackup>("removed", (one) => one.removed, { listed: false })]),
  changes: true,
  done({ target, row }) {
    const went = row?.removed.length ?? 0;
    const rotation = went === 0 ? "" : ` Rotation removed ${went}.`;
    return `Backed up ${target}: ${humanSize(row?.written_bytes ?? 0)} written.${rotation}`;
  },
  withoutStore: true,
  examples: [
    { line: "estrato backup web1 --rotation 7 --type daily", says: "a full one, the seven newest are kept" },
    { line: "estrato backup web1 --incremental --keep-daily 7 --keep-weekly 4", says: "from cron, every night" },
  ],
  exits: {
    2: "neither --rotation nor --keep-*, or both; an unknown zone",
    5: "an operation is under way, or something is in the way of a snapshot",
    6: "the target is not there or full, or --quiesce require and no agent answers",
    9: "QEMU, libvirt and the records disagree, or a copy is not what was planned",
  },
  guide: async (guide) => (await import("./create-guide.ts")).guideBackup(guide),
  async run(context) {
    const { args, options, factory, world } = context;
    const policy = await policyFor(factory, options, "backup create");
    const folder = await placeOf(factory, options.target);
    const core = await world();
    const { backupAndRotate } = await import("../../core/backups/take.ts");
    const { name, incremental, compress, disk: disks } = options;
    const quiesce = await quiesceOf(factory, options.quiesce);
    const type = options.type ?? (await settingOf(factory, "backup_type")) ?? "manual";
    const passphraseFile = passphraseFor("backup create", options);
    return eachTarget(context, args.instances, { kind: "backup", verb: "be taken" }, (instance) =>
      backupAndRotate(
        core,
        { instance, target: folder, name, type, incremental, compress, quiesce, disks, passphraseFile },
        policy,
        options.zone,
      ),
    );
  },
});
