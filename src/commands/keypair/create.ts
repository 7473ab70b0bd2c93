import { type CreatedKeypair, createKeypair } from "../../core/keypairs.ts";
import { EstratoError } from "../../errors.ts";
import { keepOutOfCoreDumps } from "../../no-core-dump.ts";
import type { Column } from "../../ui/output/columns.ts";
import { text as textColumn } from "../../ui/output/columns.ts";
import { isPlan } from "../../ui/plan.ts";
import { one } from "../framework/arguments.ts";
import { requireNewFile, writeSecretFile } from "../framework/files.ts";
import { thatIsThere } from "../framework/if-absent.ts";
import { text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { keypairColumns } from "./columns.ts";

/** `privateKey` null: it was written to a file. */
type Made = { readonly [K in keyof CreatedKeypair]: K extends "privateKey" ? string | null : CreatedKeypair[K] };

const columns: Column<Made>[] = [
  ...keypairColumns.map((column) => ({ ...column, value: (made: Made) => column.value(made.keypair) })),
  textColumn<Made>("private_key", (made) => made.privateKey, { orNull: true }),
];

export default verb({
  description:
    "Makes an Ed25519 key pair and records its public half. The private key is written to --private-key-file (mode 0600), else to " +
    "standard output. There is no other copy of it.",
  arguments: { name: one("NAME", "the name of the new key pair", { ask: "Name of the new key pair" }) },
  options: { privateKeyFile: text("FILE", "write the private key to this new file", { complete: "file" }) },
  result: result.one(columns, {
    draw: ([made]) => made?.privateKey ?? null,
    evenQuiet: ({ privateKey }) => privateKey !== null,
  }),
  changes: true,
  done: ({ args }) => `Made key pair ${args.name}.`,
  withoutStore: true,
  examples: [
    { line: "estrato keypair create mykey --private-key-file ~/.ssh/mykey", says: "a new key in a file" },
    { line: "(umask 077; estrato keypair create mykey > mykey.pem)", says: "the same by a redirection" },
  ],
  exits: { 2: "a malformed name", 4: "there is no such folder", 5: "the name is taken, or the file is there" },
  // Its private key is nobody's but the file's that it was written to.
  async existing(context) {
    const keypair = await thatIsThere(context, "keypair", context.args.name);
    return keypair === null ? null : { keypair, privateKey: null };
  },
  async run({ args, options, store, factory, globals }) {
    const { query } = globals;
    const column = globals.column.flatMap((names) => names.split(","));
    const file = options.privateKeyFile;
    if (file === null && (query !== null || (column.length > 0 && !column.includes("private_key")))) {
      throw new EstratoError("usage", "keypair create: the private key would be lost, for nothing prints it", {
        hint: "Give --private-key-file, or leave --column and --query out.",
      });
    }
    keepOutOfCoreDumps();
    const world = { store: await store(), clock: factory.clock, user: factory.user, dryRun: globals.dryRun };
    const made = await createKeypair(world, args.name, (key) => {
      if (file !== null) writeSecretFile(file, key);
    });
    if (isPlan(made) && file !== null) requireNewFile(file);
    if (isPlan(made) || file === null) return made;
    factory.report.note(`The private key of ${args.name} is in ${file}.`);
    return { ...made, privateKey: null };
  },
});
