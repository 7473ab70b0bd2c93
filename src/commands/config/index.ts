import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "Settings lie in a file of the system and in one of each user. An option wins over the environment, that over the user's file, that " +
    "over the system's.",
  verbs: {
    get: { summary: "Print the value of a setting", load: () => import("./get.ts") },
    set: { summary: "Set a setting", load: () => import("./set.ts") },
    unset: { summary: "Forget a setting", load: () => import("./unset.ts") },
    list: { summary: "List all settings, and where each comes from", load: () => import("./list.ts") },
    path: { summary: "Print where the settings are stored", load: () => import("./path.ts") },
  },
});
