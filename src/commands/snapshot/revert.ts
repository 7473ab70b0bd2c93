import { type Reverted, revertSnapshot } from "../../core/snapshots/revert.ts";
import { EstratoError } from "../../errors.ts";
import { text } from "../../ui/output/columns.ts";
import { shellQuoted } from "../../ui/plan.ts";
import { one } from "../framework/arguments.ts";
import { flag, text as string } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { eachSideBySide } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { revertKeepMs } from "./keep.ts";

export const revertedColumns = [
  text<Reverted>("instance", (one) => one.instance, { orNull: true }),
  text<Reverted>("volume", (one) => one.volume, { listed: false, orNull: true }),
  text<Reverted>("snapshot", (one) => one.snapshot),
  text<Reverted>("kept", (one) => one.kept?.name ?? null, { orNull: true }),
  text<Reverted>("kept_id", (one) => one.kept?.id ?? null, { listed: false, orNull: true }),
];

/** What was kept of before, and how that comes back. */
export function revertedText(row: Reverted | null): string | null {
  if (row === null) return null;
  const { instance, volume, snapshot, kept } = row;
  const back =
    instance === null ? `revert ${shellQuoted(`${volume}/${kept?.name}`)}` : `unrevert ${shellQuoted(instance)}`;
  const undo = kept === null ? "" : ` To take that back: estrato snapshot ${back}.`;
  return `Reverted ${instance ?? volume} to ${snapshot.slice(snapshot.lastIndexOf("/") + 1)}.${undo}`;
}

export default verb({
  description:
    "Brings an instance's disks, NVRAM and TPM back to a snapshot: running before, running after. What its memory holds now is lost. " +
    "A snapshot with memory resumes where it was, without a reboot, also where the instance was off.\n\n" +
    "A volume's snapshot brings back that volume alone, detached or with its instance off.\n\n" +
    "What the disks held is kept as an automatic snapshot (for 24 hours, or as `config set revert_keep` says): " +
    "`snapshot unrevert` goes back to it (for a volume, `snapshot revert` to that one). --discard keeps nothing, after a yes.\n\n" +
    "With --filter each instance that the list shows with it goes back to its own snapshot of the name that --name says, after a yes, " +
    "side by side, as many as the host has cores.",
  arguments: {
    snapshot: one("SNAPSHOT", "the snapshot: an id, a name or INSTANCE/NAME", {
      complete: "snapshot",
      ask: "Revert to which snapshot?",
    }),
  },
  options: {
    discard: flag("do not keep what the disks hold now"),
    name: string("NAME", "the snapshot's name, where --filter chooses the instances", { complete: "snapshot" }),
  },
  result: result.one(revertedColumns),
  changes: true,
  chooses: "instance",
  done: ({ row }) => revertedText(row),
  examples: [
    { line: "estrato snapshot revert web1/before-upgrade", says: "undo an upgrade" },
    { line: "estrato snapshot unrevert web1", says: "and take that back" },
    { line: "estrato snapshot revert --filter properties.class=asir1 --name clean -y", says: "a whole class" },
  ],
  exits: {
    2: "--filter without --name, or a snapshot besides",
    4: "there is no such snapshot, or no instance fits --filter",
    5: "a volume of the snapshot is not attached, the instance of a volume alone runs, a disk has come that its memory does not know, or something is in the way",
    6: "its memory needs a machine type or a version of QEMU that this host does not have",
    8: "--discard, or several by --filter, need a yes",
  },
  async run(context) {
    const { args, options, factory, world, chosen } = context;
    requireName(options.name, chosen !== null);
    const core = await world();
    const keepMs = await revertKeepMs(factory);
    const wish = { discard: options.discard, keepMs };
    if (chosen !== null && options.name !== null) {
      const { confirmReverts, namedSnapshot } = await import("../../core/snapshots/several.ts");
      const { name } = options;
      if (!(await confirmReverts(core, chosen, { name, discard: options.discard }))) return null;
      const words = { kind: "instance", verb: "revert", done: "reverted" };
      return eachSideBySide(context, chosen, words, async (target, own) =>
        revertSnapshot(own, await namedSnapshot(own, target, name), wish),
      );
    }
    if (options.discard && !core.dryRun) {
      const { findSnapshot, snapshotLabel } = await import("../../core/snapshots/find.ts");
      const state = await core.store.read();
      const snapshot = findSnapshot(state, args.snapshot, "revert");
      const label = snapshotLabel(state, snapshot);
      const instance = label.slice(0, label.lastIndexOf("/"));
      const loses = snapshot.disks.map(
        ({ device }) => `what ${instance} has written to ${device} since its last snapshot`,
      );
      if (!(await core.report.confirm({ text: `Revert ${instance} to ${snapshot.name} and keep nothing?`, loses })))
        return null;
      // That very one, whatever is called so by now.
      return revertSnapshot(core, snapshot.id, wish);
    }
    return revertSnapshot(core, args.snapshot, wish);
  },
});

/** Throws "usage" where the name is missing, or is nobody's. */
function requireName(name: string | null, isChoice: boolean): void {
  if ((name !== null) === isChoice) return;
  throw new EstratoError(
    "usage",
    isChoice ? "snapshot revert: --filter without --name" : "snapshot revert: --name without --filter",
    { hint: isChoice ? "Say to which snapshot of each: --name NAME." : "Name the snapshot: INSTANCE/NAME." },
  );
}
