import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "A schedule takes backups or snapshots of an instance at the times of a cron expression, and removes old ones. cron(8) starts it: each schedule is a " +
    "line of /etc/cron.d/estrato for root, else of the user's own crontab, ends in its id, and no other line is touched.\n\n" +
    "A run that goes well says nothing. One that fails says so on stderr, which cron mails to its user, and in the list.",
  verbs: {
    create: { summary: "Make a schedule", load: () => import("./create.ts") },
    list: { summary: "List schedules with their next run and their last result", load: () => import("./list.ts") },
    show: { summary: "Show schedules", load: () => import("./show.ts") },
    set: { summary: "Change what a schedule verifies of its backups", load: () => import("./set.ts") },
    delete: { summary: "Delete schedules; what they made stays", load: () => import("./delete.ts") },
    run: { summary: "Run one now, as cron does", load: () => import("./run.ts") },
  },
});
