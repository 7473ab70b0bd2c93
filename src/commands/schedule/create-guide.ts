/** The dialogue of `schedule create`: what, of whom, when, how many are kept, and its name. */
import { requireName } from "../../core/names.ts";
import { askRotation, askTarget } from "../backup/create-guide.ts";
import type { Guide } from "../framework/tree.ts";

const TIMES = [
  { value: "0 3 * * *", description: "every night at three" },
  { value: "0 * * * *", description: "every hour" },
  { value: "0 4 * * 0", description: "every Sunday at four" },
  { value: "other", description: "a cron expression of your own" },
];

/** [] where the line says of whom it takes what, and when. */
export async function guideSchedule(guide: Guide): Promise<string[]> {
  const { options, operands } = guide;
  const when = async () => (options.cron === null ? askTimes(guide) : []);
  if (options.backup !== null || options.snapshot !== null) return when();
  const kind = await guide.choose("What is taken?", [
    { value: "backup", description: "a copy in another folder" },
    { value: "snapshot", description: "here, at once, without copying" },
  ]);
  const words = [`--${kind}`, await guide.choose("Of which instance?", await guide.candidates("instance"))];
  words.push(...(await when()), ...(await askRotation(guide)));
  if (kind === "backup") words.push("--incremental", ...(await askTarget(guide)));
  if (operands.length > 0) return words;
  return [await guide.ask("What shall it be called?", { check: (text) => requireName("schedule", text) }), ...words];
}

/** The words of `--cron`. */
async function askTimes({ choose, ask }: Guide): Promise<string[]> {
  const chosen = await choose("When?", TIMES);
  return ["--cron", chosen === "other" ? await ask("Minute, hour, day, month, day of the week") : chosen];
}
