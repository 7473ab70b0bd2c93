import { noun } from "../framework/noun.ts";

export default noun({
  description: "A volume is a disk that can be attached to an instance.",
  verbs: {},
});
