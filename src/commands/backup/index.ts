import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "A backup is a copy in another folder that stands on nothing here. With --rotation or --keep-* old ones go when a new one is complete.",
  verbs: {},
  defaultVerb: "create",
});
