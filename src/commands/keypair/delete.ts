import { deleteKeypair } from "../../core/keypairs.ts";
import { many } from "../framework/arguments.ts";
import { eachTarget } from "../framework/targets.ts";
import { verb } from "../framework/verb.ts";

export default verb({
  description: "Deletes key pairs. Guests that let a key in go on doing so.",
  arguments: { keypairs: many("KEYPAIR", "the key pair to delete", { complete: "keypair", ask: "Which key pair?" }) },
  changes: true,
  done: ({ target }) => `Deleted key pair ${target}.`,
  examples: [{ line: "estrato keypair delete mykey", says: "delete a key pair" }],
  exits: { 4: "there is no such key pair" },
  async run(context) {
    const store = await context.store();
    return eachTarget(context, context.args.keypairs, { kind: "keypair", verb: "delete" }, (name) =>
      deleteKeypair(store, name, context.globals.dryRun),
    );
  },
});
