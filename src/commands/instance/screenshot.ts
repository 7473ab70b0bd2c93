import { access, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { takeScreenshot } from "../../core/instances/access.ts";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import { optional } from "../framework/arguments.ts";
import { verb } from "../framework/verb.ts";
import { oneInstance } from "./targets.ts";

export default verb({
  description: `Writes a picture of the guest's screen into a file: PNG where this QEMU can, else PPM. "-" is standard output. Without a file it is
INSTANCE.png in this folder. A file that is there is not overwritten.`,
  arguments: { instance: oneInstance, file: optional("FILE", "where to", { complete: "file" }) },
  changes: false,
  examples: [
    { line: "estrato instance screenshot web1 screen.png", says: "keep what is on web1's screen" },
    { line: "estrato instance screenshot web1 - | display", says: "look at it" },
  ],
  exits: { 5: "it is off, or the file is there already" },
  async run({ args, world, streams }) {
    const opened = await world();
    if (args.file === "-" && opened.dryRun) return takeScreenshot(opened, args.instance, "standard output");
    if (args.file === "-") {
      streams.stdout.write(await picture(opened, args.instance));
      return null;
    }
    const file = resolve(args.file ?? `${args.instance.replaceAll("/", "_")}.png`);
    const isThere = await access(file).then(
      () => true,
      () => false,
    );
    if (isThere)
      throw new EstratoError("conflict", `screenshot ${file}: the file is there already`, { hint: "Name another." });
    const plan = await takeScreenshot(opened, args.instance, file);
    if (plan === null) opened.report.note(file);
    return plan;
  },
});

async function picture(world: World, instance: string): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), "estrato-screenshot-"));
  try {
    const file = join(folder, "screen");
    await takeScreenshot(world, instance, file);
    return await readFile(file);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
