import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "A volume is a disk that can be attached to an instance, detached, and attached to another. The disks that an instance is made with are " +
    "volumes too. `snapshot create --volume` takes a snapshot of one alone.",
  verbs: {
    create: { summary: "Make a volume", load: () => import("./create.ts") },
    list: { summary: "List volumes", load: () => import("./list.ts") },
    show: { summary: "Show volumes", load: () => import("./show.ts") },
    attach: { summary: "Attach a volume to an instance", load: () => import("./attach.ts") },
    detach: { summary: "Detach a volume from an instance", load: () => import("./detach.ts") },
    resize: { summary: "Grow a volume", load: () => import("./resize.ts") },
    delete: { summary: "Delete volumes", load: () => import("./delete.ts") },
  },
});
