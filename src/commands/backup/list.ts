import { EstratoError } from "../../errors.ts";
import { optional } from "../framework/arguments.ts";
import { flag, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { backupColumns } from "./columns.ts";
import { isTargetNamed, placesIfAny, target } from "./place.ts";

export default verb({
  description:
    "Lists backups, the oldest first: of all targets that this store knows, or of the one that is named. They are read from the target " +
    "itself, so a machine that has nothing but the target sees the same.\n\n" +
    "`merging` is the status of one while another, on which it builds, is being removed: it reads the same all the while, and can be restored " +
    "when that has ended. What was cut off there is ended by the next command of the store that had begun it.\n\n" +
    "--calendar draws a month per block: F full, i incremental, ! damaged, - missed, which is a day on which a schedule of the instance " +
    "was due and of which there is no backup. With a format the list is printed as ever.\n\n" +
    "--follow goes along with the backups that are being taken now, by whichever command: it tells how far they are, and when the last has " +
    "ended it lists those that were taken, and says which were not, and why.",
  arguments: { instance: optional("INSTANCE", "only those of this instance", { complete: "instance" }) },
  options: {
    target,
    type: text("TYPE", "only those of this type"),
    calendar: flag(
      "draw a calendar: which day has a full one, an incremental one, a damaged one, and which was missed",
    ),
    follow: flag("go along with those that are being taken now"),
  },
  result: result.list(backupColumns, {
    empty: "There is no backup. To take one: estrato backup create INSTANCE --rotation 7 --target DIR.",
  }),
  changes: false,
  withoutStore: isTargetNamed,
  examples: [
    { line: "estrato backup list web1", says: "those of one instance" },
    { line: "estrato backup list web1 --calendar", says: "which nights went well" },
    { line: "estrato backup list --follow", says: "watch those that are being taken now" },
    { line: "estrato backup list --target /mnt/backup", says: "on a machine whose store is gone" },
  ],
  exits: { 6: "the target is not there" },
  async run({ args, options, factory, world, streams, isPlain, fits, isWatched }) {
    const odd = options.calendar ? "--calendar" : options.target === null ? null : "--target";
    if (options.follow && odd !== null) {
      throw new EstratoError("usage", `backup list: --follow and ${odd}: it goes along with all that are being taken`, {
        hint: "Leave one of them out.",
      });
    }
    const core = await world();
    const filter = {
      ...(args.instance === null ? {} : { instance: args.instance }),
      ...(options.type === null ? {} : { type: options.type }),
    };
    if (options.follow) {
      const taken = await (await import("./follow.ts")).followed(core, filter);
      return isWatched && taken?.length === 0 ? null : taken; // that there is none at all is not what it means
    }
    const { listBackups } = await import("../../core/backups/list.ts");
    const found = await listBackups(core, await placesIfAny(factory, core, options.target), filter);
    if (!options.calendar || !isPlain) return found;
    const { calendarOf } = await import("../../core/backups/calendar.ts");
    const { calendarText } = await import("./calendar.ts");
    const { schedules } = await core.store.read();
    const months = calendarOf(found.filter(fits), schedules, factory.clock.now(), await core.host.timeZone());
    streams.stdout.write(calendarText(months, factory.terminal.columns, await factory.painter("stdout")));
    return null;
  },
});
