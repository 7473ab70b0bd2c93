import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { fileColumns } from "../guest-files/columns.ts";
import { disk, fileSystem, path, READ_BY, READING_EXITS, snapshot, WHICH } from "../guest-files/words.ts";

export default verb({
  description:
    `Lists what is in a folder of the guest, as it was when the snapshot was taken: type, mode, owner (by number), size, time and path. ${READ_BY}\n\n` +
    `${WHICH}\n\nThe guest goes on meanwhile, and so does all that is done with it; only the layers that are read stay as they are.`,
  arguments: {
    snapshot,
    path,
  },
  options: { disk, fileSystem },
  result: result.list(fileColumns, { empty: "There is nothing in that folder." }),
  changes: false,
  examples: [
    { line: "estrato snapshot files web1/before-upgrade /etc", says: "what a folder held" },
    { line: "estrato snapshot files web1/before-upgrade /srv --sort size_bytes:desc", says: "the largest first" },
  ],
  exits: { ...READING_EXITS, 5: "its layers are being merged, or read by another command" },
  async run({ args, options, world }) {
    const core = await world();
    const { withSnapshot } = await import("../../core/guest-files/snapshot-source.ts");
    const { listFiles } = await import("../../core/guest-files/list.ts");
    const wish = { snapshot: args.snapshot, disk: options.disk };
    return listFiles(core, (use) => withSnapshot(core, wish, use), {
      path: args.path ?? "/",
      fileSystem: options.fileSystem,
    });
  },
});
