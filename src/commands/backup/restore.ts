import type { RestoreFrom } from "../../core/backups/restore-to.ts";
import { parseNetwork } from "../../core/instances/network-wish.ts";
import type { TrustedDefinition } from "../../core/instances/trusted-definition.ts";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import { type Column, text as column } from "../../ui/output/columns.ts";
import { shellQuoted } from "../../ui/plan.ts";
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
  column("instance", (one) => one.instance, { orNull: true }),
  column("volume", (one) => one.volume, { orNull: true }),
  column("id", (one) => one.id, { orNull: true }),
  column("kept", (one) => one.kept, { orNull: true }),
];

export default verb({
  description:
    "Restores a backup: to a new instance, in the place of the instance that it was taken of, or one disk as a new volume. All of it is " +
    "compared with its checksums first; of a damaged one nothing is made. The copy stands by itself: the backup is not needed afterwards.\n\n" +
    "--instant makes the new instance run at once, from the backup where it lies: it reads there what is not pulled in yet, and what it writes " +
    "goes to its own disks. Only manifests, sizes and headers are compared before; `backup verify` reads all. The command ends when everything is " +
    "pulled in. Cut short at any moment, the instance goes on; the same command again goes on with the pulling. Until it is through, the " +
    "backup and what it builds on can neither be deleted nor rotated away, and its target must stay where it is.\n\n" +
    "--as-it-was brings an instance back that is gone here, on a machine that has lost it or on another one: its id, name, MACs, reserved " +
    "addresses, firmware's state, autostart, properties and the ids of its volumes are what they were. It is refused where any of these is here " +
    "already. The machine that it was on must be off for good. See estrato-recovery(7).\n\n" +
    "A backup may come from anywhere: of its definition a new instance gets only what its disks need to boot (machine type, firmware, the model of " +
    "its TPM, buses of disks, models of its first network card and its screen, the clock, the guest agent), on the network that is chosen here. What is left " +
    "out is named: whatever it names of a host. --trust-definition takes it whole, and first shows what of this host it names.\n\n" +
    "--in-place asks first. What the disks held is kept as an automatic snapshot, and `snapshot unrevert` goes back to it.\n\n" +
    "With --target it needs nothing but the folder: no store, and not the machine that it was taken on.",
  arguments: { backup: oneBackup },
  options: {
    instance: text("NAME", "make a new instance of that name"),
    asItWas: flag("bring an instance back as itself that is gone here"),
    inPlace: flag("bring the instance back that it was taken of"),
    volume: text("NAME", "make a volume of one disk"),
    disk: repeated(text("DEVICE", "only this disk, vda")),
    keyName: text("KEY", "the SSH key of the new instance", { complete: "keypair" }),
    network: text("NETWORK", "the network of the new instance, as of instance create, or none", {
      complete: "network",
    }),
    noStart: flag("do not start the instance that is made"),
    instant: flag("boot the new instance from the backup at once, and pull its data in meanwhile"),
    trustDefinition,
    noWait: flag("with --instant: return when it runs; the same command without it pulls the data in"),
    passphraseFile,
    target,
  },
  result: result.one(columns),
  changes: true,
  done: ({ row }) => {
    if (row === null) return null;
    const undo =
      row.kept === null ? "" : ` To take that back: estrato snapshot unrevert ${shellQuoted(row.instance ?? "")}.`;
    return `Restored ${row.instance ?? `volume ${row.volume}`} from ${row.backup}.${undo}`;
  },
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
    {
      line: "estrato backup restore web1/nightly --as-it-was --target /mnt/backup",
      says: "on a new machine, with nothing but the folder",
    },
    { line: "estrato backup restore nightly --volume data-old --disk vdb", says: "one disk, to look into" },
  ],
  exits: {
    2: "none of --instance, --as-it-was, --in-place and --volume, or several; a disk that it does not have",

    4: "there is no such backup",
    5: "a name is taken; --as-it-was: its id, a volume, a MAC or an address lives here; the instance no longer has a disk of the backup, or its guest must stop before more can be pulled in",
    6: "not enough space, the target is not there; --as-it-was: a network of it is not here",
    8: "--in-place or --trust-definition needs a yes",
    9: "the backup is damaged",
  },
  async run({ args, options, factory, world }) {
    const { instance, volume, inPlace, asItWas, disk: disks, keyName, network, noStart, instant, noWait } = options;
    requireOne(instance !== null, asItWas, inPlace, volume !== null);
    const ofNew = { "--key-name": keyName !== null, "--network": network !== null };
    const ofEither = { "--no-start": noStart, "--instant": instant, "--trust-definition": options.trustDefinition };
    const given = { ...(instance === null ? ofNew : {}), ...(instance === null && !asItWas ? ofEither : {}) };
    const odd = Object.entries(given).find(([, is]) => is)?.[0] ?? null;
    if (odd !== null) {
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
    const make = async (source: typeof from, wanted: Parameters<typeof to.restoreInstance>[2]) => {
      const made = instant
        ? await (await import("../../core/backups/instant.ts")).restoreInstant(core, source, wanted, { wait: !noWait })
        : await to.restoreInstance(core, source, wanted);
      return "steps" in made ? made : { ...shown, instance: wanted.name, id: made.id };
    };
    const trustDefinition = await trusted(core, from, options.trustDefinition);
    if (options.trustDefinition && trustDefinition === null) return null;
    if (asItWas) {
      const was = await (await import("../../core/backups/as-it-was.ts")).returning(core, from, !noStart);
      return make(was.from as typeof from, { ...was.options, trustDefinition });
    }
    if (instance !== null) {
      const unsaid = { flavor: null, vcpus: null, ramBytes: null, diskBytes: null, ip: null, userData: null };
      const start = !noStart;
      const on = network === null ? null : parseNetwork(network);
      return make(from, { ...unsaid, name: instance, properties: {}, keyName, network: on, start, trustDefinition });
    }
    if (volume !== null) {
      const made = await to.restoreVolume(core, from, volume);
      return "steps" in made ? made : { ...shown, id: made.id };
    }
    const { findBackup, requireWhole } = await import("../../core/backups/find.ts");
    const { id, manifest, target } = requireWhole(await findBackup(core, from.targets, args.backup));
    const loses = [`what runs in ${manifest.instance.name} now; what its disks hold is kept for a while`];
    const text = `Bring ${manifest.instance.name} back to ${manifest.createdAt.slice(0, 16)}Z?`;
    if (!core.dryRun && !(await core.report.confirm({ text, loses }))) return null;
    // That one: while the question stood, its name may have come to mean a newer one.
    const meant = { ...from, targets: [target], backup: id };
    const done = await to.restoreInPlace(core, meant, { keepMs: await revertKeepMs(factory) });
    return "steps" in done ? done : { ...shown, instance: done.instance, kept: done.kept?.name ?? null };
  },
});

async function trusted(world: World, from: RestoreFrom, asked: boolean): Promise<TrustedDefinition | null> {
  return asked ? (await import("../../core/backups/trust.ts")).trustBackup(world, from) : null;
}

function requireOne(...given: readonly boolean[]): void {
  if (given.filter(Boolean).length === 1) return;
  throw new EstratoError(
    "usage",
    "backup restore: to what? Give one of --instance, --as-it-was, --in-place, --volume",
    {
      hint: "Exactly one of them.",
    },
  );
}
