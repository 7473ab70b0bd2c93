import { attachVolume } from "../../core/volumes/attach.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "../instance/targets.ts";
import { volumeColumns } from "./columns.ts";
import { oneVolume, shown } from "./targets.ts";

export default verb({
  description:
    "Makes a free volume a disk of an instance, running or not, for good. It gets the next free device (vdb, vdc, …); the guest also finds " +
    "it under /dev/disk/by-id, by the first 20 characters of its id. One that is attached to that instance is left alone.\n\n" +
    "An instance with snapshots keeps the volumes that it has: a revert needs them.",
  arguments: { instance: oneInstance, volume: oneVolume },
  result: result.one(volumeColumns, { onRequest: true }),
  changes: true,
  done: ({ args, row, changed }) =>
    `${changed ? "Attached" : "Attached already:"} ${args.volume} to ${args.instance} as ${row?.device}.`,
  examples: [
    { line: "estrato volume attach web1 data1", says: "attach it" },
    {
      line: "DEVICE=$(estrato volume attach web1 data1 -f value -c device)",
      says: "and learn what it is called there",
    },
  ],
  exits: {
    5: "it is attached to another instance, that one has snapshots, or a managed save or libvirt's own snapshots are in the way",
    9: "QEMU, libvirt and the records disagree; see estrato doctor",
  },
  async run({ args, world }) {
    const core = await world();
    return shown(core, await attachVolume(core, args.instance, args.volume));
  },
});
