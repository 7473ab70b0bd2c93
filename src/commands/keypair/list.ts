import { listKeypairs } from "../../core/keypairs.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { keypairColumns } from "./columns.ts";

export default verb({
  description: "Lists key pairs by name.",
  result: result.list(keypairColumns, {
    empty: "There is no key pair. To record one: estrato keypair import NAME --file ~/.ssh/id_ed25519.pub.",
  }),
  changes: false,
  examples: [{ line: "estrato keypair list -c name -c fingerprint", says: "names and fingerprints" }],
  async run({ store }) {
    return listKeypairs(await store());
  },
});
