import { ChildExit, EstratoError } from "../../errors.ts";
import { writeOut } from "../../ui/streams.ts";
import { rest } from "../framework/arguments.ts";
import { noteChanged } from "../framework/changed.ts";
import { duration, flag } from "../framework/options.ts";
import * as result from "../framework/result.ts";
import { verb } from "../framework/verb.ts";
import { type Executed, execColumns } from "./guest-columns.ts";
import { standardInput } from "./guest-streams.ts";
import { runningInstance } from "./targets.ts";

export default verb({
  description: `Runs a command in an instance, as root, through its guest agent: without a network, an address or a key.

Its output is yours, of any size and as it comes, and so is its exit code; 128 and more where a signal ended it, as in a shell. With -f json one
object says how it ended and what it said, up to 16 MiB of each stream.

It runs in root's home, the words as they are and no shell around them: give it one for pipes and variables (sh -c '…'). There is no terminal in it. With
--stdin it gets this command's standard input, which is brought there whole before it starts; else it has none.

What it says goes into files of a folder that only root may read, in the guest's /var/tmp (else /tmp or /run), which is removed at the end. One that a kill
left goes with a later exec, after a day.

Snapshots are taken meanwhile as ever; nothing of them is waited for but the moment in which file systems stand still. The command's words are not kept in
the log of events.`,
  arguments: {
    instance: runningInstance,
    command: rest("COMMAND", "what to run there, behind --", { complete: "nothing" }),
  },
  options: {
    stdin: flag("give it this command's standard input"),
    timeout: duration("how long to wait for its end; without it as long as it takes"),
  },
  result: result.one(execColumns, { onRequest: true, evenQuiet: () => true }),
  changes: true,
  done: () => null,
  examples: [
    { line: "estrato instance exec web1 -- df -h /", says: "see how full its disk is" },
    { line: "estrato instance exec web1 --stdin -- psql < q.sql", says: "hand it a file" },
    { line: "estrato instance exec web1 -- sh -c 'tar -cf - /etc | gzip' > etc.tgz", says: "bring its /etc here" },
  ],
  exits: {
    5: "it is off, paused or frozen for a snapshot",
    6: "no guest agent answers, or one that forbids commands",
    7: "it has not ended in time, and goes on there",
    255: "the agent was lost while the command ran",
  },
  async run(context) {
    const { args, options, streams, factory } = context;
    if (args.command.length === 0) {
      throw new EstratoError("usage", "instance exec: no command is given", {
        hint: `Say it behind --, for example: estrato instance exec ${args.instance} -- uptime.`,
      });
    }
    const { execInGuest } = await import("../../core/guest/exec.ts");
    const { shellCode } = await import("../../core/guest/processes.ts");
    const world = await context.world();
    // Is its output a part of what is printed, and not printed itself?
    const kept = execColumns.some(({ key }) => context.wants(key)) ? keeping() : null;
    factory.status.clear();
    const end = await execInGuest(world, args.instance, {
      command: args.command,
      stdin: options.stdin ? standardInput(streams, factory.signal) : null,
      timeoutMs: options.timeout,
      onOutput: async (stream, bytes) => (kept === null ? writeOut(streams[stream], bytes) : kept.take(stream, bytes)),
    });
    if ("steps" in end) return end;
    const code = shellCode(end);
    if (code !== 0) context.failure = new ChildExit(code);
    const executed: Executed = { instance: args.instance, ...end, ...(kept ?? keeping()).said() };
    noteChanged(executed, true); // nobody knows better
    return executed;
  },
});

const MOST_BYTES = 16 * 1024 ** 2;

/** Keeps what fits of both streams. */
function keeping() {
  const pieces: Record<"stdout" | "stderr", Buffer[]> = { stdout: [], stderr: [] };
  const lengths = { stdout: 0, stderr: 0 };
  let truncated = false;
  return {
    take(stream: "stdout" | "stderr", bytes: Buffer): true {
      const fits = bytes.subarray(0, MOST_BYTES - lengths[stream]);
      truncated ||= fits.length < bytes.length;
      pieces[stream].push(fits);
      lengths[stream] += fits.length;
      return true;
    },
    said(): Pick<Executed, "stdout" | "stderr" | "encoding" | "truncated"> {
      const [stdout, stderr] = [Buffer.concat(pieces.stdout), Buffer.concat(pieces.stderr)];
      const encoding = [stdout, stderr].every(isText) ? "utf-8" : "base64";
      const text = (bytes: Buffer) => bytes.toString(encoding === "utf-8" ? "utf8" : "base64");
      return { stdout: text(stdout), stderr: text(stderr), encoding, truncated };
    },
  };
}

function isText(bytes: Buffer): boolean {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return true;
  } catch {
    return false;
  }
}
