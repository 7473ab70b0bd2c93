import { viewSnapshots } from "../../core/snapshots/list.ts";
import { setSnapshot } from "../../core/snapshots/set.ts";
import { EstratoError } from "../../errors.ts";
import { one } from "../framework/arguments.ts";
import { duration, flag, keyValues, repeated, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { snapshotColumns } from "./columns.ts";

export default verb({
  description:
    "Changes what is said of a snapshot: its name, description, properties, protection and expiry. What it holds never changes.",
  arguments: {
    snapshot: one("SNAPSHOT", "the snapshot: an id, a name or INSTANCE/NAME", {
      complete: "snapshot",
      ask: "Which snapshot?",
    }),
  },
  options: {
    name: text("NAME", "a new name"),
    description: text("TEXT", "a description"),
    property: keyValues("add or change a property"),
    noProperty: repeated(text("KEY", "remove a property")),
    protect: flag("refuse to delete it"),
    unprotect: flag("allow to delete it"),
    expire: duration("expires after so long, from now"),
    noExpire: flag("never expires"),
  },
  result: result.one(snapshotColumns, { onRequest: true }),
  changes: true,
  done: ({ target }) => `Changed snapshot ${target}.`,
  examples: [{ line: "estrato snapshot set web1/before-upgrade --protect", says: "keep it from being deleted" }],
  exits: { 5: "the name is taken" },
  async run({ args, options, factory, world, wants }) {
    if (options.protect && options.unprotect)
      throw new EstratoError("usage", "--protect and --unprotect exclude each other");
    if (options.expire !== null && options.noExpire)
      throw new EstratoError("usage", "--expire and --no-expire exclude each other");
    const core = await world();
    const { expire } = options;
    const expiresAt = options.noExpire
      ? null
      : expire === null
        ? undefined
        : new Date(factory.clock.now().getTime() + expire).toISOString();
    const changed = await setSnapshot(core, args.snapshot, {
      ...(options.name === null ? {} : { name: options.name }),
      ...(options.description === null ? {} : { description: options.description }),
      ...(options.protect || options.unprotect ? { protect: options.protect } : {}),
      ...(expiresAt === undefined ? {} : { expiresAt }),
      properties: options.property,
      removedProperties: options.noProperty,
    });
    if ("steps" in changed) return changed;
    const [view] = await viewSnapshots(core, await core.store.read(), [changed], wants("exclusive_bytes"));
    return view;
  },
});
