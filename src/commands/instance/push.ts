import { basename } from "node:path";
import type { Pushed, PushOptions } from "../../core/guest/push.ts";
import type { PlanView } from "../../core/operations/steps.ts";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import { one } from "../framework/arguments.ts";
import { noteChanged } from "../framework/changed.ts";
import { text } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import type { Context } from "../framework/tree.ts";
import { verb } from "../framework/verb.ts";
import { pushColumns } from "./guest-columns.ts";
import { fileSource, standardInput } from "./guest-streams.ts";
import { runningInstance } from "./targets.ts";

export default verb({
  description: `Writes a file into an instance, as root, through its guest agent: without a network, an address or a key.

It is written beside its goal under a name of its own, compared (by its SHA-256), given the owner, mode and the like of the file that is there, brought onto
the guest's disk and then renamed: whatever is killed meanwhile, the old file or the new one is there, whole. A new file is root's, of mode 0644. Links are
followed, as cp does. What a killed push left (.estrato-….push) goes with the next one into that folder, after an hour.

The agent takes small pieces: this is for configuration and scripts, not for disks. Moving 100 MiB takes minutes.`,
  arguments: {
    instance: runningInstance,
    file: one("FILE", "the file to write there; - is standard input", { complete: "file", ask: "Which file?" }),
    path: one("PATH", "what it is called there, or the folder that gets it; absolute", {
      ask: "Where to, in the guest?",
    }),
  },
  options: { mode: text("MODE", "its permissions, such as 0644; else those of the file that is there") },
  result: result.one(pushColumns, { onRequest: true }),
  changes: true,
  done: ({ args, row }) => `Wrote ${row?.path ?? args.path} in ${args.instance}.`,
  examples: [
    { line: "estrato instance push web1 ./nginx.conf /etc/nginx/nginx.conf", says: "replace a file there" },
    {
      line: "estrato instance push web1 backup.sh /usr/local/bin/ --mode 0755",
      says: "put a script into a folder there",
    },
    { line: "tar -czf - site | estrato instance push web1 - /root/site.tgz", says: "hand it what a pipe brings" },
  ],
  exits: {
    2: "PATH is not absolute, or a folder where FILE is -",
    4: "the instance, or a folder of PATH, is not there",
    5: "it is off, paused or frozen for a snapshot, or PATH is a device",
    6: "no guest agent answers, or one that forbids it; FILE cannot be read",
    9: "the guest has read something else than was sent; what was there is as it was",
  },
  async run(context) {
    const { args, options } = context;
    const mode = options.mode === null ? null : requireMode(options.mode);
    const world = await context.world();
    const to = { path: args.path, mode };
    const pushed = await pushTo(world, args.instance, args.file, to, context);
    noteChanged(pushed, true);
    return pushed;
  },
});

async function pushTo(
  world: World,
  instance: string,
  file: string,
  to: Pick<PushOptions, "path" | "mode">,
  { streams, factory }: Pick<Context, "streams" | "factory">,
): Promise<Pushed | PlanView> {
  const { pushFile } = await import("../../core/guest/push.ts");
  if (file === "-") {
    const source = standardInput(streams, factory.signal);
    return pushFile(world, instance, { ...to, name: null, source, sizeBytes: null });
  }
  const { close, ...from } = await fileSource(file);
  try {
    return await pushFile(world, instance, { ...to, ...from, name: basename(file) });
  } finally {
    await close();
  }
}

function requireMode(mode: string): string {
  if (/^[0-7]{3,4}$/.test(mode)) return mode;
  throw new EstratoError("usage", `--mode ${JSON.stringify(mode)}: no permissions`, { hint: "Write them as 0644." });
}
