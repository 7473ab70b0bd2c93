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
  snapshot,
  targetOf,
  to,
  WHICH,
} from "../guest-files/words.ts";

export default verb({
  description: `Takes files and folders out of a snapshot, each by its last name. ${READ_BY}\n\n${SAFELY}\n\n${WHICH}`,
  arguments: {
    snapshot,
    paths,
  },
  options: { to, disk, fileSystem },
  result: result.one(extractedColumns, { onRequest: true }),
  changes: true,
  done: ({ row }) => saidOf(row),
  examples: [
    { line: "estrato snapshot extract web1/before-upgrade /etc/fstab --to .", says: "one file, into this folder" },
    { line: "estrato snapshot extract web1/before-upgrade /home --to - > home.tar", says: "an archive, with owners" },
  ],
  exits: { ...READING_EXITS, 5: "it is there already, or the snapshot's layers are being merged or read" },
  async run({ args, options, world, streams, globals }) {
    const core = await world();
    const { withSnapshot } = await import("../../core/guest-files/snapshot-source.ts");
    const { extractFiles } = await import("../../core/guest-files/extract.ts");
    const wish = { snapshot: args.snapshot, disk: options.disk };
    const to = targetOf(options.to, streams, globals.dryRun);
    const found = await extractFiles(core, (use) => withSnapshot(core, wish, use), {
      paths: args.paths,
      fileSystem: options.fileSystem,
      to,
    });
    return answerOf(found, to, globals.dryRun);
  },
});
