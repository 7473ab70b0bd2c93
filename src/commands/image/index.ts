import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "An image is what instances are made from: a disk from a file, or what an instance, a snapshot or a volume held.",
  verbs: {},
});
