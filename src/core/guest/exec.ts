/** `instance exec`: a command in a guest, as root, without a network. */
import { EstratoError } from "../../errors.ts";
import type { PlanView } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { type GuestFile, openGuestFile, writeGuestFile } from "./files.ts";
import { type Guest, openGuest } from "./guest.ts";
import { freshName } from "./paths.ts";
import { endOf, type GuestEnd, leaveScript, looking, runScript, scriptFailure, startScript } from "./processes.ts";

export interface ExecOptions {
  readonly command: readonly string[];
  /** Its standard input, which is given to it whole; null: it has none. */
  readonly stdin: AsyncIterable<Buffer> | null;
  /** Null: as long as it takes. */
  readonly timeoutMs: number | null;
  /** Each piece of its output; false: nobody reads on, and it is told so as by a pipe. */
  onOutput(stream: "stdout" | "stderr", bytes: Buffer): Promise<boolean>;
}

/**
 * The agent itself keeps 16 MiB of what a command says and tells no more than 4 of them, at its end: so that it may be
 * of any size, and be read as it comes, it goes into files of a private folder, and what is there for the command's
 * standard input too. Those of commands that were killed a day ago go first.
 */
const PLACES = ["/var/tmp", "/tmp", "/run"];
const MAKE_FOLDER = `umask 077
find ${PLACES.join(" ")} -maxdepth 1 -name '.estrato-*.exec' -user 0 -mmin +1440 -exec rm -rf -- {} + 2>/dev/null
for d in ${PLACES.join(" ")}; do
  f=$d/$1
  mkdir "$f" 2>/dev/null || continue
  if echo x 2>/dev/null >"$f/in" && : >"$f/in" && : >"$f/out" && : >"$f/err"; then printf %s "$f"; exit 0; fi
  rm -rf "$f"
done
echo 'no folder for its output can be made' >&2
exit 1`;

const RUN = `f=$1; shift
h=~root
[ ! -d "$h" ] || export HOME="$h"
cd "$HOME" 2>/dev/null || cd /
exec "$@" <"$f/in" >"$f/out" 2>"$f/err"`;

const SIGINT = 2;
const SIGPIPE = 13;

/**
 * Runs it, and returns how it ended when all that it has said is handed on. Throws "conflict" and "host" as openGuest;
 * "timeout" after `timeoutMs`, naming the process that goes on; "unreachable" where the agent was lost meanwhile, so
 * that nobody knows how it ended; "interrupted", after it was told (SIGINT). In a dry run a plan.
 */
export async function execInGuest(world: World, target: string, options: ExecOptions): Promise<GuestEnd | PlanView> {
  const guest = await openGuest(world, target);
  const [program = ""] = options.command;
  if (world.dryRun) {
    return { steps: [{ title: `Run ${program} in ${guest.name}`, commands: [] }], notes: [], freesBytes: null };
  }
  const name = freshName("exec");
  try {
    const { out: folder, ...made } = await runScript(guest, MAKE_FOLDER, [name]);
    if (made.exit !== 0 || !PLACES.some((place) => folder === `${place}/${name}`))
      throw scriptFailure(guest, "exec", { ...made, out: folder });
    if (options.stdin !== null) await writeGuestFile(guest, `${folder}/in`, options.stdin);
    return await runIn(guest, folder, options);
  } finally {
    // Whoever is still at work there keeps the files that it has open.
    await leaveScript(
      guest,
      'rm -rf -- "$@"',
      PLACES.map((place) => `${place}/${name}`),
    );
  }
}

async function runIn(guest: Guest, folder: string, options: ExecOptions): Promise<GuestEnd> {
  const pid = await startScript(guest, RUN, [folder, ...options.command], false);
  const startMs = guest.world.clock.elapsedMs();
  const files: GuestFile[] = [];
  try {
    for (const name of ["out", "err"]) files.push(await openGuestFile(guest, `${folder}/${name}`, "r"));
    return await follow(guest, pid, files, options, startMs);
  } catch (error) {
    throw await lostWhile(guest, pid, options, error);
  } finally {
    for (const file of files) await file.close();
  }
}

async function follow(
  guest: Guest,
  pid: number,
  [out, err]: readonly GuestFile[],
  { timeoutMs, command, onOutput }: ExecOptions,
  startMs: number,
): Promise<GuestEnd> {
  const pause = looking(guest);
  const streams = { stdout: out, stderr: err };
  let isRead = true;
  const pass = async (stream: "stdout" | "stderr"): Promise<number> => {
    const bytes = (await streams[stream]?.read()) ?? Buffer.alloc(0);
    if (bytes.length > 0 && isRead && !(await onOutput(stream, bytes))) {
      isRead = false;
      await tell(guest, pid, SIGPIPE);
    }
    return bytes.length;
  };
  for (;;) {
    const end = await endOf(guest, pid); // first, so that what is read after it is all that it said
    const said = (await pass("stdout")) + (await pass("stderr"));
    if (end !== null && said === 0) return { exitCode: end.exitCode, signal: end.signal };
    if (end !== null) return drained(end, pass);
    if (timeoutMs !== null && guest.world.clock.elapsedMs() - startMs >= timeoutMs) {
      throw new EstratoError(
        "timeout",
        `instance ${guest.name}: ${command[0]} has not ended within ${Math.round(timeoutMs / 1000)} s, and goes on there as process ${pid}`,
        { hint: `To end it: estrato instance exec ${guest.name} -- kill ${pid}.` },
      );
    }
    await pause(said > 0);
  }
}

async function drained(end: GuestEnd, pass: (stream: "stdout" | "stderr") => Promise<number>): Promise<GuestEnd> {
  for (const stream of ["stdout", "stderr"] as const) while ((await pass(stream)) > 0);
  return { exitCode: end.exitCode, signal: end.signal };
}

async function tell(guest: Guest, pid: number, signal: number): Promise<void> {
  await leaveScript(guest, 'kill -"$1" "$2"', [String(signal), String(pid)]);
}

/** What stopped us is an error of ours now that the command is under way: its own exit code is not known. */
async function lostWhile(guest: Guest, pid: number, { command }: ExecOptions, error: unknown): Promise<unknown> {
  if (!(error instanceof EstratoError) || error.code === "timeout") return error;
  const what = `${command[0]} (process ${pid} there)`;
  if (error.code === "interrupted") {
    await tell(guest, pid, SIGINT);
    return new EstratoError("interrupted", `instance ${guest.name}: interrupted, and so is ${what}`, { cause: error });
  }
  return new EstratoError("unreachable", `${error.message}; nobody knows how ${what} ends`, {
    hint: `Look at it: estrato instance exec ${guest.name} -- ps -p ${pid}.`,
    cause: error,
  });
}
