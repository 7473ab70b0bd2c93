import { listSnapshots } from "../../core/snapshots/list.ts";
import { optional } from "../framework/arguments.ts";
import { text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { snapshotColumns } from "./columns.ts";

export default verb({
  description:
    "Lists snapshots, the oldest first: all, or those of one instance or volume. `exclusive_bytes` is what deleting one would free; it is empty where a file that it depends on cannot be read. " +
    "Snapshots that libvirt itself holds of a named instance are listed with the type libvirt, and never touched.",
  arguments: { instance: optional("INSTANCE", "only those of this instance", { complete: "instance" }) },
  options: {
    volume: text("VOLUME", "only those that hold this volume", { complete: "volume" }),
    owner: text("self|all|NAME", "only those that this user made", { default: "all", complete: "owner" }),
  },
  result: result.list(snapshotColumns, {
    empty: "There is no snapshot. To take one: estrato snapshot create INSTANCE.",
  }),
  changes: false,
  examples: [
    { line: "estrato snapshot list web1", says: "those of one instance" },
    { line: "estrato snapshot list --sort exclusive_bytes:desc --limit 5", says: "the five that hold most" },
  ],
  exits: { 4: "there is no such instance or volume" },
  async run({ args, options, world, wants }) {
    const core = await world();
    const { instanceId } = await import("../../core/instances/find.ts");
    const instance = args.instance === null ? null : await instanceId(core, args.instance);
    const { findVolume } = await import("../../core/volumes/find.ts");
    const volume = options.volume === null ? null : findVolume(await core.store.read(), options.volume).id;
    const owner = options.owner === "self" ? core.user : options.owner;
    const filter = {
      ...(instance === null ? {} : { instance }),
      ...(volume === null ? {} : { volume }),
      ...(owner === "all" ? {} : { owner }),
    };
    return listSnapshots(core, filter, wants("exclusive_bytes"));
  },
});
