import { DEFAULT_WAIT_MS, parseGoal } from "../core/instances/wait.ts";
import type { World } from "../core/ports.ts";
import { parseStatus, STATUSES, type Waitable, waitForStatus } from "../core/wait-for-status.ts";
import { EstratoError } from "../errors.ts";
import type { Factory } from "../factory.ts";
import { shellQuoted } from "../ui/plan.ts";
import { one } from "./framework/arguments.ts";
import { duration, text } from "./framework/options.ts";
import { verb } from "./framework/verb.ts";

const OTHERS = Object.keys(STATUSES) as Waitable[];
const NOUNS = ["instance", ...OTHERS] as const;

export default verb({
  description: `Waits until an instance has a status, an address, or an agent that answers; or until a snapshot, a volume or a backup has a status. Prints nothing.

A reserved address is there before the guest is, and a lease of an earlier boot stays: --for address waits until the guest has taken one since it
runs.`,
  arguments: {
    noun: one("NOUN", `the kind of thing: ${NOUNS.join(", ")}`, {
      complete: NOUNS,
      ask: "What kind of thing?",
      only: true,
      instead: (word) => `Did you mean "estrato wait instance ${shellQuoted(word)}"? Or one of ${OTHERS.join(", ")}.`,
    }),
    target: one("TARGET", "its name or id", { complete: "of-noun", ask: "Which one?" }),
  },
  options: {
    for: text("GOAL", "status=STATUS; of an instance also address or agent", {
      required: true,
      complete: ["status=active", "status=shutoff", "status=saved", "status=available", "address", "agent"],
    }),
    target: text("DIR", "of a backup: the folder that holds it", { complete: "folder" }),
    timeout: duration("how long to wait", { default: DEFAULT_WAIT_MS }),
  },
  changes: false,
  examples: [
    { line: "estrato wait instance web1 --for agent", says: "wait until web1 has booted" },
    { line: "estrato wait instance web1 --for status=shutoff --timeout 10m", says: "wait until it is off" },
    { line: "estrato wait volume data1 --for status=available", says: "wait until it is attached to nothing" },
  ],
  exits: {
    4: "there is no such thing",
    5: "it is off, and can get neither address nor agent",
    7: "it did not happen in time",
  },
  async run({ args, options, factory, world }) {
    const kind = args.noun as (typeof NOUNS)[number];
    if (options.target !== null && kind !== "backup") {
      throw new EstratoError("usage", `wait: --target is of backups, not of ${kind}s`, { hint: "Leave it out." });
    }
    if (kind === "instance") {
      const goal = parseGoal(options.for);
      const { waitForInstance } = await import("../core/instances/wait.ts");
      await waitForInstance(await world(), args.target, goal, options.timeout);
      return null;
    }
    const status = parseStatus(kind, options.for);
    const core = await world();
    await waitForStatus(
      core,
      `${kind} ${args.target}`,
      status,
      options.timeout,
      lookAt(kind, args.target, core, factory, options.target),
    );
    return null;
  },
});

/** One look at it. */
function lookAt(kind: Waitable, target: string, world: World, factory: Factory, folder: string | null) {
  return {
    snapshot: async () => (await import("../core/snapshots/show.ts")).showSnapshot(world, target),
    volume: async () => {
      const [{ findVolume }, { viewVolume }] = await Promise.all([
        import("../core/volumes/find.ts"),
        import("../core/volumes/view.ts"),
      ]);
      const state = await world.store.read();
      return viewVolume(world, state, findVolume(state, target));
    },
    backup: async () => {
      const [{ findBackup }, { viewBackup }, { placesOf }] = await Promise.all([
        import("../core/backups/find.ts"),
        import("../core/backups/list.ts"),
        import("./backup/place.ts"),
      ]);
      return viewBackup(await findBackup(world, await placesOf(factory, world, folder), target));
    },
  }[kind];
}
