import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "An instance is a guest of libvirt with its volumes. A guest that estrato did not make is adopted by the first verb that needs its layers.",
  verbs: {},
});
