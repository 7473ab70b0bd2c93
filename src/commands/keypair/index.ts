import { noun } from "../framework/noun.ts";

export default noun({
  description:
    "A keypair is a public SSH key with a name: `instance create --key-name` lets it in. The private half is printed or written once, " +
    "when the pair is made, and never kept.",
  verbs: {
    create: { summary: "Make an Ed25519 key pair", load: () => import("./create.ts") },
    import: { summary: "Record a public key that you have", load: () => import("./import.ts") },
    list: { summary: "List key pairs", load: () => import("./list.ts") },
    show: { summary: "Show key pairs", load: () => import("./show.ts") },
    delete: { summary: "Delete key pairs", load: () => import("./delete.ts") },
  },
});
