import type { Launch } from "../../core/schedules/create.ts";
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { humanTime } from "../../units.ts";
import { encryptionOptions } from "../backup/encryption.ts";
import { target } from "../backup/place.ts";
import { policyFor, policyOptions, zone } from "../backup/policy.ts";
import { one } from "../framework/arguments.ts";
import { QUIESCE, quiesceOf } from "../framework/defaults.ts";
import { thatIsThere } from "../framework/if-absent.ts";
import { choice, duration, flag, repeated, text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { scheduleColumns } from "./columns.ts";
import { hooksOf, keepsAny, taskOf } from "./task.ts";
import { verificationOptions } from "./verification.ts";

const HOUR_MS = 3_600_000;
/** Without these a user's libvirt and settings are others under cron than at the terminal. */
const REMEMBERED = ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME"];

export default verb({
  description:
    "Makes a schedule and prints it: at the times of --cron it takes a backup (--backup) or a snapshot (--snapshot) of the instance. When that is " +
    "there, those go that --rotation or --keep-* do not keep, of its own snapshots, or of the backups of its type in its target. Snapshots may " +
    "have --expire in their place. Protected ones are neither removed nor counted.\n\n" +
    "Times are in the zone of the host's cron. Several --keep-* add up; what any of them keeps stays.\n\n" +
    "While the instance is shelved nothing is taken, and the list says `skipped`: that is no failure. `instance delete` removes its schedules.\n\n" +
    "Hooks are programs that are run without arguments: before it, and after it even where it failed. They find in their environment " +
    "ESTRATO_HOOK (before or after), ESTRATO_SCHEDULE, ESTRATO_INSTANCE, ESTRATO_INSTANCE_ID, ESTRATO_KIND, ESTRATO_TARGET, ESTRATO_HOME (the " +
    "store), and after it ESTRATO_RESULT (done, or the kind of the error) and ESTRATO_MESSAGE. One fails that does not exit with 0 in its time: " +
    "with --hook-failure abort nothing is taken, and the run counts as failed; with warn it goes on, and the list says `warned`. What root's cron " +
    "runs, hooks and estrato itself, must belong to root, and neither it nor any folder above it may be written by others.\n\n" +
    "--verify looks at each backup once it is there, and at all that it builds on, as `backup verify` does: at N% of their data, or, with boot, at " +
    "all of it, and then a throw-away guest is started from it. Each night's N% follows those of the night before: in 100/N nights all is read " +
    "that stood so long. What is damaged is remembered in the target, and the run fails (9).\n\n" +
    "--lock-timeout is how long each run waits for an instance that is busy: an hour, if not said.",
  arguments: { name: one("NAME", "the name of the schedule", { ask: "What shall it be called?" }) },
  options: {
    backup: text("INSTANCE", "take backups of this instance", { complete: "instance" }),
    snapshot: text("INSTANCE", "take snapshots of this instance", { complete: "instance" }),
    cron: text("EXPRESSION", 'minute, hour, day of the month, month, day of the week: "0 3 * * *"', { required: true }),
    ...policyOptions,
    zone,
    quiesce: choice(QUIESCE, "quiesce the guest's file systems", { setting: "quiesce" }),
    target,
    type: text("TYPE", "of the backups, what they are rotated with; the schedule's name, if not said"),
    incremental: flag("backups of what has changed only"),
    compress: flag("compress the backups"),
    ...encryptionOptions,
    disk: repeated(text("DEVICE", "only this disk in the backups, vda")),
    ...verificationOptions,
    expire: duration("each snapshot expires after so long: 7d"),
    memory: flag("snapshots with the memory of the running guest"),
    jitter: duration("begin up to so much later, at random, so that many hosts do not begin at once", { default: 0 }),
    hookBefore: text("FILE", "run this program first; an absolute path", { complete: "file" }),
    hookAfter: text("FILE", "run this program at the end, whatever became of the rest", { complete: "file" }),
    hookTimeout: duration("how long each of them may run", { default: 5 * 60_000 }),
    hookFailure: choice(["abort", "warn"], "what it means where one fails", { default: "abort" }),
    catchUp: flag("what was missed while the host was off is made up for when it starts"),
  },
  result: result.one(scheduleColumns),
  changes: true,
  done: ({ row }) => `Made schedule ${row?.name}; it runs next at ${humanTime(row?.next_run_at ?? "")}.`,
  withoutStore: true,
  examples: [
    {
      line: 'estrato schedule create nightly --backup web1 --cron "0 3 * * *" --rotation 7 --incremental --catch-up',
      says: "each night, the last seven are kept; made up for when the host was off",
    },
    {
      line: 'estrato schedule create nightly --backup web1 --cron "0 3 * * *" --rotation 7 --incremental --verify 5%',
      says: "each night a twentieth is read, in twenty nights all",
    },
    {
      line: 'estrato schedule create hourly --snapshot web1 --cron "0 * * * *" --rotation 12',
      says: "the last twelve hours",
    },
  ],
  exits: {
    2: "a malformed name, time or combination, or nothing that would ever remove what it makes",
    4: "there is no such instance",
    5: "the name is taken",
    6: "there is no crontab, or a path that cannot stand in one",
  },
  guide: async (guide) => (await import("./create-guide.ts")).guideSchedule(guide),
  existing: (context) => thatIsThere(context, "schedule", context.args.name),
  async run({ args, options, world, factory }) {
    const quiesce = await quiesceOf(factory, options.quiesce, options.memory);
    const task = await taskOf(factory, args.name, { ...options, quiesce });
    const expires = task.kind === "snapshot" && task.expireMs !== null;
    const retention = expires && !keepsAny(options) ? null : await policyFor(factory, options, "schedule create");
    const { createSchedule } = await import("../../core/schedules/create.ts");
    const { viewSchedule } = await import("../../core/schedules/view.ts");
    const core = await world();
    const cronZone = await core.host.timeZone();
    const made = await createSchedule(
      core,
      {
        name: args.name,
        instance: options.backup ?? options.snapshot ?? "",
        cron: options.cron,
        task,
        retention,
        zone: options.zone ?? cronZone,
        jitterMs: options.jitter,
        lockTimeoutMs: factory.globals.lockTimeout || HOUR_MS,
        hooks: hooksOf(options),
        catchUp: options.catchUp,
      },
      await launchOf(factory),
    );
    if ("steps" in made) return made;
    return viewSchedule(await core.store.read(), made, factory.clock.now(), cronZone);
  },
});

/** Throws "host" where it is not known how this program is started. */
async function launchOf({ surroundings, settings, env }: Factory): Promise<Launch> {
  const { program } = surroundings;
  if (program === undefined || !program.path.startsWith("/")) {
    throw new EstratoError("host", "schedule: it is not known how estrato is started", {
      hint: "Start it by its file, bin/estrato.",
    });
  }
  const environment = REMEMBERED.flatMap((name) => (env[name] ? [[name, env[name]] as const] : []));
  return {
    node: program.node,
    program: program.path,
    connect: (await settings()).get("connect").value ?? "qemu:///system",
    environment: Object.fromEntries(environment),
  };
}
