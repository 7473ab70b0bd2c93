import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "An image is what new instances start from: for each disk a layer that never changes. Making one from a snapshot or an " +
    "instance moves no data. Instances stand on an image and leave it as it is; one that is deleted lives on, unseen, until the " +
    "last of them has gone.\n\nAn image is private until its owner shares it. Other users then use it from their own stores without copying it, and cannot " +
    "change or delete it.",
  verbs: {
    create: { summary: "Make an image from a file, a snapshot or an instance", load: () => import("./create.ts") },
    list: { summary: "List images, the oldest first", load: () => import("./list.ts") },
    show: { summary: "Show images", load: () => import("./show.ts") },
    set: { summary: "Change what an image is called and demands", load: () => import("./set.ts") },
    save: { summary: "Copy an image into a file", load: () => import("./save.ts") },
    share: { summary: "Let other users use images", load: () => import("./share.ts") },
    unshare: { summary: "Take shared images back", load: () => import("./unshare.ts") },
    delete: { summary: "Delete images", load: () => import("./delete.ts"), aliases: ["deregister"] },
  },
});
