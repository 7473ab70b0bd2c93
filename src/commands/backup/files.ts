import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { fileColumns } from "../guest-files/columns.ts";
import { disk, fileSystem, path, READ_BY, READING_EXITS, WHICH } from "../guest-files/words.ts";
import { reading } from "./guest-files.ts";
import { isTargetNamed, oneBackup, passphraseFile, target } from "./place.ts";

export default verb({
  description:
    `Lists what is in a folder of the guest, as it was when the backup was taken: type, mode, owner (by number), size, time and path. ${READ_BY}\n\n` +
    `${WHICH}\n\nThe backup is not read through: \`backup verify\` does that. Its target is locked meanwhile.`,
  arguments: { backup: oneBackup, path },
  options: { target, disk, fileSystem, passphraseFile },
  result: result.list(fileColumns, { empty: "There is nothing in that folder." }),
  changes: false,
  withoutStore: isTargetNamed,
  examples: [
    { line: "estrato backup files web1/nightly /etc/nginx", says: "what a folder held that night" },
    { line: "estrato backup files web1/nightly / --disk vdb", says: "of the second disk" },
  ],
  exits: { ...READING_EXITS, 5: "an operation is under way in its target" },
  async run({ args, options, factory, world }) {
    const core = await world();
    const { listFiles } = await import("../../core/guest-files/list.ts");
    return listFiles(core, await reading(factory, core, args.backup, options), {
      path: args.path ?? "/",
      fileSystem: options.fileSystem,
    });
  },
});
