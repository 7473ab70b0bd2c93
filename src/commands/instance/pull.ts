import type { PullTarget } from "../../core/guest/pull.ts";
import { type Streams, writeOut } from "../../ui/streams.ts";
import { one } from "../framework/arguments.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { pullColumns } from "./guest-columns.ts";
import { runningInstance } from "./targets.ts";

export default verb({
  description: `Reads a file out of an instance, as root there, through its guest agent: without a network, an address or a key.

It has its name here when it is whole. One that is there is replaced, as cp does; a link is replaced by a file, and nothing is written through it. Its mode is
that of the guest's file, less what your umask takes; it is yours. What is written to a log while it is read is left out. What a killed pull left
(.estrato-….pull) goes with the next one into that folder, after an hour.`,
  arguments: {
    instance: runningInstance,
    path: one("PATH", "the file in the guest; absolute", { ask: "Which file of the guest?" }),
    file: one("FILE", "what it becomes here, or the folder that gets it; - is standard output", {
      complete: "file",
      ask: "Where to?",
    }),
  },
  result: result.one(pullColumns, { onRequest: true }),
  changes: false,
  examples: [
    { line: "estrato instance pull web1 /var/log/syslog ./", says: "bring a log into this folder" },
    { line: "estrato instance pull web1 /etc/fstab - | grep swap", says: "look into a file" },
  ],
  exits: {
    2: "PATH is not absolute, or a folder",
    4: "the instance, PATH, or the folder of FILE is not there",
    5: "it is off, paused or frozen for a snapshot; PATH or FILE is a device or a pipe",
    6: "no guest agent answers, or one that forbids it; no space",
  },
  async run(context) {
    const { args, streams } = context;
    const { pullFile } = await import("../../core/guest/pull.ts");
    const world = await context.world();
    if (args.file === "-") {
      const pulled = await pullFile(world, args.instance, args.path, standardOutput(streams));
      return "steps" in pulled ? pulled : null;
    }
    const { pulledFile } = await import("./pulled-file.ts");
    const file = await pulledFile(world, args.file, args.path);
    try {
      const pulled = await pullFile(world, args.instance, args.path, file);
      return "steps" in pulled ? pulled : { ...pulled, file: file.path };
    } finally {
      await file.abandon();
    }
  },
});

function standardOutput({ stdout }: Pick<Streams, "stdout">): PullTarget {
  const name = "standard output";
  return { name, begin: async () => null, write: (bytes) => writeOut(stdout, bytes), done: async () => {} };
}
