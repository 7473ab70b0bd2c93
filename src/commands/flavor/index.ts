import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "A flavor is a number of virtual CPUs, an amount of memory and the size of the first disk. An instance is made in a flavor and " +
    "keeps its size when the flavor goes.",
  verbs: {
    create: { summary: "Make a flavor", load: () => import("./create.ts") },
    list: { summary: "List flavors, the smallest first", load: () => import("./list.ts") },
    show: { summary: "Show a flavor", load: () => import("./show.ts") },
    delete: { summary: "Delete flavors", load: () => import("./delete.ts") },
  },
});
