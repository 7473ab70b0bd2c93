import snapshot from "../../../src/commands/snapshot/index.ts";
import { ofSnapshots } from "./lines/guest-files.ts";
import { looking } from "./lines/snapshot-look.ts";
import { taking } from "./lines/snapshot-take.ts";
import { using } from "./lines/snapshot-use.ts";
import { testNoun } from "./verb-tests.ts";

await testNoun("snapshot", snapshot, { ...taking, ...looking, ...using, ...ofSnapshots });
