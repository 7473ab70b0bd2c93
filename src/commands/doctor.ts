import type { Examined } from "../core/doctor/doctor.ts";
import { EstratoError } from "../errors.ts";
import { keepHeapSmall } from "../small-heap.ts";
import type { Painter } from "../ui/colour.ts";
import { text } from "../ui/output/columns.ts";
import { oneOf } from "../ui/output/shape.ts";
import { printable, told } from "../ui/text.ts";
import { flag } from "./framework/options.ts";
import * as result from "./framework/result.ts";
import { verb } from "./framework/verb.ts";

const columns = [
  text<Examined>("subject", (one) => one.subject),
  text<Examined>("problem", (one) => one.problem),
  text<Examined>("remedy", (one) => one.remedy),
  text<Examined>("result", (one) => one.result, { shape: oneOf("found", "mended", "left") }),
];

/** Whole sentences: a table would cut off who needs what. */
function drawn({ subject, problem, remedy, result: how }: Examined, painter: Painter): string {
  const word = how === "mended" ? painter("green", "mended: ") : how === "left" ? painter("yellow", "left: ") : "";
  return `${painter("bold", printable(subject))}: ${told(problem)}\n  ${word}${told(remedy)}\n`;
}

export default verb({
  description:
    "Compares the records, the files and libvirt, and names each difference. Changes nothing by itself.\n\n" +
    "--repair puts together the state where it is damaged, lost or older than what was stored last, ends what a killed command left behind, mends what can be mended without guessing, and collects data that nothing needs any " +
    "more, and pulls in what instances still read from the backups that they were booted from, or from files of another user's whom nobody called trusted. " +
    "Where it must choose it asks; with -y it goes on, but where it cannot be seen whether a file of others is gone or its disk not mounted.\n\n" +
    "A store belongs to the machine and the libvirt that it was first used with, and every command refuses others (6). --take-over binds it " +
    "to this machine and to the libvirt that is asked for here. It asks, since whatever used it before must never use it again: two that " +
    "work on one store lose what guests write.",
  options: {
    repair: flag("mend what can be mended"),
    takeOver: flag("make the store this machine's and this libvirt's; the one it was is off for good"),
  },
  result: result.list(columns, {
    draw: (found, { painter }) => found.map((one) => drawn(one, painter)).join(""),
  }),
  changes: false,
  changesWith: ({ repair, takeOver }) => repair || takeOver,
  needsStore: ({ repair, takeOver }) => repair || takeOver,
  examples: [
    { line: "estrato doctor", says: "look, in the morning" },
    { line: "estrato doctor --repair", says: "after a power cut" },
    { line: "estrato doctor --take-over", says: "after the disks have moved into another machine" },
  ],
  exits: {
    0: "nothing differs (any more)",
    6: "there is no store, or it is another machine's or another libvirt's",
    8: "it must choose, and there is nobody to ask",
    9: "differences are left",
  },
  async run(context) {
    const { repair: mends, takeOver } = context.options;
    if (takeOver) {
      const answer = await context.factory.takeOver(mends);
      if (answer === false) return null;
      if (answer !== true) return answer;
      if (!mends) return [];
    }
    const core = await context.world();
    const [{ examine, repair }, { stateOrNull }] = await Promise.all([
      import("../core/doctor/doctor.ts"),
      import("../core/doctor/remembered.ts"),
    ]);
    keepHeapSmall(Object.keys((await stateOrNull(core))?.layers ?? {}).length);
    const found: Examined[] =
      mends && !core.dryRun
        ? await repair(core)
        : (await examine(core)).map(({ subject, problem, remedy }) => ({
            subject,
            problem,
            remedy,
            result: "found" as const,
          }));
    if (found.length === 0 && context.isWatched) context.factory.report.note("All is as it was recorded.");
    const left = found.filter((one) => one.result !== "mended").length;
    if (left > 0) {
      context.failure = new EstratoError(
        "integrity",
        `doctor: ${left} ${left === 1 ? "difference" : "differences"} found`,
        {
          hint: mends
            ? "What is left needs a person; see its remedy."
            : 'See the list; "estrato doctor --repair" mends what can be mended.',
        },
      );
    }
    return found;
  },
});
