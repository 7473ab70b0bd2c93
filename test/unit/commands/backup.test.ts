import backup from "../../../src/commands/backup/index.ts";
import { taking } from "./lines/backup-take.ts";
import { using } from "./lines/backup-use.ts";
import { ofBackups } from "./lines/guest-files.ts";
import { testNoun } from "./verb-tests.ts";

await testNoun("backup", backup, { ...taking, ...using, ...ofBackups });
