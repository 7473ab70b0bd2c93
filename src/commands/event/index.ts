import { noun } from "../framework/noun.ts";

export default noun({
  description: "An event is one change that was made on this host: when, by whom, and how it ended.",
  verbs: { list: { summary: "List what was done, the latest first", load: () => import("./list.ts") } },
});
