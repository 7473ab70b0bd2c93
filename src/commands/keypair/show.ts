import { findKeypair } from "../../core/keypairs.ts";
import { many } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";
import { keypairColumns } from "./columns.ts";

export default verb({
  description: "Shows key pairs.",
  arguments: { keypairs: many("KEYPAIR", "the key pair to show", { complete: "keypair", ask: "Which key pair?" }) },
  result: result.one(keypairColumns),
  changes: false,
  examples: [{ line: "estrato keypair show mykey -f value -c public_key", says: "its public key" }],
  exits: { 4: "there is no such key pair" },
  async run(context) {
    const state = await (await context.store()).read();
    return eachTarget(context, context.args.keypairs, { kind: "keypair", verb: "show" }, async (name) =>
      findKeypair(state, name),
    );
  },
});
