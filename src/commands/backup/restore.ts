import type { RestoreFrom } from "../../core/backups/restore-to.ts";
import type { TrustedDefinition } from "../../core/instances/trusted-definition.ts";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import { type Column, text as column } from "../../ui/output/columns.ts";
import { flag, repeated, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { trustDefinition } from "../instance/trust.ts";
import { revertKeepMs } from "../snapshot/keep.ts";
import { oneBackup, openedWith, passphraseFile, placesOf, target } from "./place.ts";

/** What a backup was restored to. */
interface RestoredView {
  readonly backup: string;
  readonly instance: string | null;
  readonly volume: string | null;
  readonly id: string | null;
  readonly kept: string | null;
}

const columns: readonly Column<RestoredView>[] = [
  column("backup", (one) => one.backup),
  column("instance", (one) => one.instance),
  column("volume", (one) => one.volume),
  column("id", (one) => one.id),
  column("kept", (one) => one.kept),
];

export default verb({
  description:
    "Restores a backup: to a new instance, in the place of the instance that it was taken of, or one disk as a new volume. All of it is " +
    "compared with its checksums first; of a damaged one nothing is made. The copy stands by itself: the backup is not needed afterwards.\n\n" +
    "--instant makes the new instance run at once, from the backup where it lies: it reads there what is not pulled in yet, and what it writes " +
    "goes to its own disks. Only manifests, sizes and headers are compared before; `backup verify` reads all. The command ends when everything is " +
    "pulled in. Cut short at any moment, the instance goes on; the same command again goes on with the pulling. Until it is through, the " +
    "backup and what it builds on can neither be deleted nor rotated away, and its target must stay where it is.\n\n" +
    "A backup may come from anywhere: of its definition a new instance gets only what its disks need to boot (machine type, firmware, the model of " +
    "its TPM, buses of disks, models of its first network card and its screen, the clock, the guest agent), on the network that is chosen here. What is left " +
    "out is named: whatever it names of a host. --trust-definition takes it whole, and first shows what of this host it names.\n\n" +
    "--in-place asks first. What the disks held is kept as an automatic snapshot, and `snapshot unrevert` goes back to it.\n\n" +
    "With --target it needs nothing but the folder: no store, and not the machine that it was taken on.",
  arguments: { backup: oneBackup },
  options: {
    instance: text("NAME", "make a new instance of that name"),
    inPlace: flag("bring the instance back that it was taken of"),
    volume: text("NAME", "make a volume of one disk"),
    disk: repeated(text("DEVICE", "only this disk, vda")),
    keyName: text("KEY", "the SSH key of the new instance", { complete: "keypair" }),
    network: text("NETWORK", "the network of the new instance, or none"),
    noStart: flag("do not start the new instance"),
    instant: flag("boot the new instance from the backup at once, and pull its data in meanwhile"),
    trustDefinition,
    noWait: flag("with --instant: return when it runs; the same command without it pulls the data in"),
    passphraseFile,
    target,
  },
  result: result.one(columns),
  changes: true,
  withoutStore: true,
  examples: [
    {
      line: "estrato backup restore bak-0123456789abcdef0 --instance web1-again",
      says: "beside the one that is there",
    },
    {
      line: "estrato backup restore bak-0123456789abcdef0 --instance web1-again --instant",
      says: "it runs in seconds, whatever its size",
    },
    { line: "estrato backup restore nightly --in-place -y", says: "the instance as it was, in a script" },
    { line: "estrato backup restore nightly --volume data-old --disk vdb", says: "one disk, to look into" },
  ],
  exits: {
    2: "none of --instance, --in-place and --volume, or several; a disk that it does not have",
    4: "there is no such backup",
    5: "a name is taken, the instance no longer has a disk of the backup, or its guest must stop before more can be pulled in",
    6: "not enough space, or the target is not there",
    8: "--in-place or --trust-definition needs a yes",
    9: "the backup is damaged",
  },
  async run({ args, options, factory, world }) {
    const { instance, volume, inPlace, disk: disks, keyName, network, noStart, instant, noWait } = options;
    requireOne(instance !== null, inPlace, volume !== null);
    const given = {
      "--key-name": keyName !== null,
      "--network": network !== null,
      "--no-start": noStart,
      "--instant": instant,
      "--trust-definition": options.trustDefinition,
    };
    const odd = Object.entries(given).find(([, is]) => is)?.[0] ?? null;
    if (instance === null && odd !== null) {
      throw new EstratoError("usage", `backup restore: ${odd} is for a new instance`, { hint: "Leave it out." });
    }
    if (instant && noStart) {
      throw new EstratoError("usage", "backup restore: --instant and --no-start: it boots at once", {
        hint: "Leave one of them out.",
      });
    }
    if (noWait && !instant)
      throw new EstratoError("usage", "backup restore: --no-wait is for --instant", { hint: "Leave it out." });
    const core = await world();
    const from = {
      targets: await placesOf(factory, core, options.target),
      backup: args.backup,
      disks,
      passphraseFile: openedWith(options.passphraseFile),
    };
    const to = await import("../../core/backups/restore-to.ts");
    const shown: RestoredView = { backup: args.backup, instance, volume, id: null, kept: null };
    if (instance !== null) {
      const unsaid = { flavor: null, vcpus: null, ramBytes: null, diskBytes: null, ip: null, userData: null };
      const wanted = {
        ...unsaid,
        name: instance,
        properties: {},
        keyName,
        network: network === null ? null : { name: network },
        start: !noStart,
        trustDefinition: await trusted(core, from, options.trustDefinition),
      };
      if (options.trustDefinition && wanted.trustDefinition === null) return null;
      const made = instant
        ? await (await import("../../core/backups/instant.ts")).restoreInstant(core, from, wanted, { wait: !noWait })
        : await to.restoreInstance(core, from, wanted);
      return "steps" in made ? made : { ...shown, id: made.id };
    }
    if (volume !== null) {
      const made = await to.restoreVolume(core, from, volume);
      return "steps" in made ? made : { ...shown, id: made.id };
    }
    const { findBackup, requireWhole } = await import("../../core/backups/find.ts");
    const { manifest } = requireWhole(await findBackup(core, from.targets, args.backup));
    const loses = [`what runs in ${manifest.instance.name} now; what its disks hold is kept for a while`];
    const text = `Bring ${manifest.instance.name} back to ${manifest.createdAt.slice(0, 16)}Z?`;
    if (!core.dryRun && !(await core.report.confirm({ text, loses }))) return null;
    const done = await to.restoreInPlace(core, from, { keepMs: await revertKeepMs(factory) });
    return "steps" in done ? done : { ...shown, instance: done.instance, kept: done.kept?.name ?? null };
  },
});

async function trusted(world: World, from: RestoreFrom, asked: boolean): Promise<TrustedDefinition | null> {
  return asked ? (await import("../../core/backups/trust.ts")).trustBackup(world, from) : null;
}

function requireOne(...given: readonly boolean[]): void {
  if (given.filter(Boolean).length === 1) return;
  throw new EstratoError("usage", "backup restore: to what? Give one of --instance, --in-place and --volume", {
    hint: "Exactly one of them.",
  });
}
