import { noun } from "../framework/noun.ts";

export default noun({
  description: "A schedule is a line of cron that makes backups or snapshots.",
  verbs: {},
});
