import { importKeypair } from "../../core/keypairs.ts";
import { one } from "../framework/arguments.ts";
import { readTextFile } from "../framework/files.ts";
import { thatIsThere } from "../framework/if-absent.ts";
import { text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { keypairColumns } from "./columns.ts";

export default verb({
  description: "Records a public key in OpenSSH's form: the .pub file that ssh-keygen wrote.",
  arguments: { name: one("NAME", "the name of the new key pair", { ask: "Name of the new key pair" }) },
  options: { file: text("FILE", "the public key; - is standard input", { required: true, complete: "file" }) },
  result: result.one(keypairColumns),
  changes: true,
  done: ({ args }) => `Recorded key pair ${args.name}.`,
  withoutStore: true,
  examples: [{ line: "estrato keypair import mykey --file ~/.ssh/id_ed25519.pub", says: "a key that you have" }],
  exits: {
    2: "a malformed name, or no public key",
    4: "there is no such file",
    5: "the name is taken",
    6: "the file cannot be read",
  },
  existing: (context) => thatIsThere(context, "keypair", context.args.name),
  async run({ args, options, store, factory, globals, streams }) {
    const world = { store: await store(), clock: factory.clock, user: factory.user, dryRun: globals.dryRun };
    return importKeypair(world, args.name, await readTextFile(options.file, streams, factory.signal));
  },
});
