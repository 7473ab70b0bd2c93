import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "A snapshot holds what all disks of an instance held at one moment, with its definition, NVRAM and TPM state. Snapshots form a tree; each stores " +
    "only differences. A snapshot can also be of one volume alone (--volume). Any can be reverted to, made an image or an instance of, and deleted, in any order.",
  verbs: {
    create: { summary: "Take a snapshot of an instance, or of a volume", load: () => import("./create.ts") },
    list: { summary: "List snapshots, the oldest first", load: () => import("./list.ts") },
    tree: { summary: "Draw the tree of an instance's snapshots", load: () => import("./tree.ts") },
    show: { summary: "Show snapshots", load: () => import("./show.ts") },
    files: { summary: "List files in a snapshot", load: () => import("./files.ts") },
    extract: { summary: "Take files out of a snapshot", load: () => import("./extract.ts") },
    revert: { summary: "Bring an instance, or a volume, back to a snapshot", load: () => import("./revert.ts") },
    unrevert: { summary: "Undo the last revert", load: () => import("./unrevert.ts") },
    delete: { summary: "Delete snapshots", load: () => import("./delete.ts") },
    set: { summary: "Change what is said of a snapshot", load: () => import("./set.ts") },
    prune: { summary: "Delete what has expired", load: () => import("./prune.ts") },
  },
});
