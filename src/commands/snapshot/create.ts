import type { World } from "../../core/ports.ts";
import { createSnapshot } from "../../core/snapshots/create.ts";
import { createVolumeSnapshot } from "../../core/snapshots/create-volume.ts";
import { viewSnapshots } from "../../core/snapshots/list.ts";
import { EstratoError } from "../../errors.ts";
import { shellQuoted } from "../../ui/plan.ts";
import { one, optional } from "../framework/arguments.ts";
import { QUIESCE, quiesceOf } from "../framework/defaults.ts";
import { thatIsThere } from "../framework/if-absent.ts";
import { choice, duration, flag, keyValues, repeated, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { eachSideBySide } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { snapshotColumns } from "./columns.ts";

export default verb({
  description:
    "Takes a snapshot of all disks of an instance at one moment, running or not, and prints it. No data is copied: the instance goes on " +
    "in new files that hold only what changes from now on. With --volume it is one volume alone.\n\n" +
    "Where the instance runs and its guest agent answers, its file systems are quiesced for that moment; --quiesce require refuses where " +
    "that is not possible, --quiesce off does not try. `consistency` says what was reached.\n\n" +
    "--memory takes the guest's memory in the same instant, and the guest runs on: a revert resumes it there, without a reboot. Its memory is " +
    "written to a file of up to that size, and it stands still for a moment at the end (-v says how long).\n\n" +
    "With --filter it is one of each instance that the list shows with it, side by side, as many as the host has cores.",
  arguments: {
    instance: one("INSTANCE", "the instance; left out with --volume or --filter", {
      complete: "instance",
      ask: "Snapshot of which instance?",
      unless: "volume",
    }),
    name: optional("NAME", "its name; made from the time where it is left out"),
  },
  options: {
    name: text("NAME", "its name, where --filter chooses the instances: of each its own"),
    volume: text("VOLUME", "of this volume alone, attached or not: an id, a name, or INSTANCE/DEVICE", {
      complete: "volume",
    }),
    quiesce: choice(QUIESCE, "quiesce the guest's file systems", { setting: "quiesce" }),
    memory: flag("with the memory of the running guest"),
    excludeDisk: repeated(text("DEVICE", "leave a disk out, vdb; a revert does not touch it")),
    description: text("TEXT", "a description"),
    property: keyValues("a property"),
    expire: duration("expires after so long: 7d"),
    protect: flag("refuse to delete it until this is lifted"),
  },
  result: result.one(snapshotColumns),
  changes: true,
  chooses: "instance",
  done: ({ row }) => {
    const owner = row?.instance ?? row?.volume;
    return `Took ${row?.name}. To go back to it: estrato snapshot revert ${shellQuoted(`${owner}/${row?.name}`)}.`;
  },
  withoutStore: true,
  examples: [
    { line: "estrato snapshot create web1 before-upgrade", says: "before something risky" },
    { line: "estrato snapshot create web1 running --memory", says: "to go on from this very moment later" },
    { line: "estrato snapshot create --volume data1 monday", says: "one volume alone" },
    { line: "estrato snapshot create --filter properties.class=asir1 --name clean", says: "one of each of a class" },
    { line: "estrato snapshot create web1 --expire 7d -f value -c id", says: "in a script: prints the id alone" },
  ],
  exits: {
    2: "--memory together with --exclude-disk or --quiesce require, or --filter together with an instance, a volume or --if-absent",
    4: "the instance is not there, or none fits --filter",
    5: "--memory of an instance that is off, the name is taken, the chain is too long, or a managed save, a block job or libvirt's own snapshots are in the way",
    6: "--quiesce require and no agent answers, or not enough space",
    9: "QEMU, libvirt and the records disagree; see estrato doctor",
  },
  async existing(context) {
    const { args, options } = context;
    if (context.chosen !== null) {
      throw new EstratoError("usage", "snapshot create: --if-absent and --filter: it is about one snapshot", {
        hint: "Leave one of them out.",
      });
    }
    if (args.name === null) {
      throw new EstratoError("usage", "snapshot create: --if-absent without a name", { hint: "Name the snapshot." });
    }
    return thatIsThere(context, "snapshot", `${options.volume ?? args.instance}/${args.name}`);
  },
  async run(context) {
    const { args, options, factory, world, wants, chosen } = context;
    const { expire, volume, excludeDisk } = options;
    const odd = excludeDisk.length > 0 ? "--exclude-disk" : options.memory ? "--memory" : null;
    if (volume !== null && odd !== null) throw together(`--volume and ${odd}: that volume alone is taken`);
    if (volume !== null && chosen !== null) throw together("--filter and --volume: either chooses");
    if (args.name !== null && options.name !== null) throw together(`--name and ${JSON.stringify(args.name)}`);
    const core = await world();
    const wanted = {
      name: options.name ?? args.name,
      quiesce: await quiesceOf(factory, options.quiesce, options.memory),
      description: options.description,
      properties: options.property,
      expiresAt: expire === null ? null : new Date(factory.clock.now().getTime() + expire).toISOString(),
      protect: options.protect,
    };
    const take = async (instance: string, within: World) => {
      const made =
        volume === null
          ? await createSnapshot(within, {
              ...wanted,
              instance,
              excludeDisks: excludeDisk,
              memory: options.memory,
            })
          : await createVolumeSnapshot(within, { ...wanted, volume });
      if ("steps" in made) return made;
      const [view] = await viewSnapshots(within, await within.store.read(), [made], wants("exclusive_bytes"));
      return view;
    };
    if (chosen === null) return take(args.instance, core);
    const words = { kind: "snapshot", verb: "be taken", done: "taken" };
    return eachSideBySide(context, chosen, words, take) as never;
  },
});

function together(what: string): EstratoError {
  return new EstratoError("usage", `snapshot create: ${what}`, { hint: "Leave one of them out." });
}
