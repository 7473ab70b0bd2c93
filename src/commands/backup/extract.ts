import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { extractedColumns } from "../guest-files/columns.ts";
import {
  answerOf,
  disk,
  fileSystem,
  paths,
  READ_BY,
  READING_EXITS,
  SAFELY,
  saidOf,
  targetOf,
  to,
  WHICH,
} from "../guest-files/words.ts";
import { reading } from "./guest-files.ts";
import { isTargetNamed, oneBackup, passphraseFile, target } from "./place.ts";

export default verb({
  description: `Takes files and folders out of a backup, each by its last name. ${READ_BY}\n\n${SAFELY}\n\n${WHICH}`,
  arguments: { backup: oneBackup, paths },
  options: { to, target, disk, fileSystem, passphraseFile },
  result: result.one(extractedColumns, { onRequest: true }),
  changes: true,
  done: ({ row }) => saidOf(row),
  withoutStore: isTargetNamed,
  examples: [
    {
      line: "estrato backup extract web1/nightly /etc/nginx /srv/db.sql --to ./out",
      says: "./out/nginx and ./out/db.sql",
    },
    { line: "estrato backup extract web1/nightly /home --to - | tar -tv", says: "an archive, with the guest's owners" },
  ],
  exits: { ...READING_EXITS, 5: "it is there already, or an operation is under way in the backup's target" },
  async run({ args, options, factory, world, streams, globals }) {
    const core = await world();
    const { extractFiles } = await import("../../core/guest-files/extract.ts");
    const to = targetOf(options.to, streams, globals.dryRun);
    const found = await extractFiles(core, await reading(factory, core, args.backup, options), {
      paths: args.paths,
      fileSystem: options.fileSystem,
      to,
    });
    return answerOf(found, to, globals.dryRun);
  },
});
