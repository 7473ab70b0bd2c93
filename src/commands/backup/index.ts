import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "A backup is a copy that stands by itself in another folder (another disk, a mount): it can be read, verified and restored without the " +
    "store it came from. `estrato backup INSTANCE` is `estrato backup create INSTANCE`.\n\n" +
    "Where --target names no folder, the setting backup_target does.",
  verbs: {
    create: { summary: "Take backups of instances", load: () => import("./create.ts") },
    list: { summary: "List backups, the oldest first", load: () => import("./list.ts") },
    show: { summary: "Show backups", load: () => import("./show.ts") },
    restore: { summary: "Restore a backup", load: () => import("./restore.ts") },
    files: { summary: "List files in a backup", load: () => import("./files.ts") },
    extract: { summary: "Take files out of a backup", load: () => import("./extract.ts") },
    verify: { summary: "Read backups and compare them with their checksums", load: () => import("./verify.ts") },
    prune: { summary: "Remove the backups that a policy does not keep", load: () => import("./prune.ts") },
    delete: { summary: "Delete backups", load: () => import("./delete.ts") },
    protect: {
      summary: "Keep rotation and delete away from backups",
      load: async () => (await import("./protection.ts")).protect,
    },
    unprotect: { summary: "Lift that", load: async () => (await import("./protection.ts")).unprotect },
  },
  defaultVerb: "create",
});
