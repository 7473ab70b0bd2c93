/** NoCloud seeds: an ISO 9660 file labelled cidata. Source: cloud-init, datasources/nocloud. */
import { mkdir, open, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { Action } from "../core/model/action.ts";
import type { Command } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { openOutside } from "../outside-file.ts";
import { removeFile, setMode, syncPath } from "./files.ts";
import type { Processes } from "./process.ts";
import { failure, MissingProgram } from "./process-failure.ts";
import { temporaryName } from "./temporary-files.ts";

type SeedAction = Extract<Action, { do: "create-seed" }>;

/** The programs that write one, in the order in which they are tried. */
const WRITERS: readonly { readonly program: string; readonly args: readonly string[] }[] = [
  { program: "xorriso", args: ["-as", "mkisofs"] },
  { program: "genisoimage", args: [] },
  { program: "mkisofs", args: [] },
];

export function seedCommand(output: string, folder: string, writer = WRITERS[0]): Command {
  const options = ["-quiet", "-volid", "cidata", "-joliet", "-rational-rock", "-output", output, folder];
  return { program: writer?.program ?? "", args: [...(writer?.args ?? []), ...options] };
}

/**
 * Writes the seed in a folder beside it, mode 0700, on the disk when it returns. User data may hold passwords: they are
 * in no other folder, and whoever removes the seed of a command that was killed removes this with it. "host" where no
 * program can write one.
 */
export async function createSeed(processes: Processes, action: SeedAction): Promise<void> {
  await removeHalfMade(action.path);
  const folder = workFolder(action.path);
  const contents = join(folder, "contents");
  const made = join(folder, "seed.iso");
  try {
    await mkdir(folder, { mode: 0o700 });
    await mkdir(contents, { mode: 0o700 });
    const files: readonly (readonly [string, string | null])[] = [
      ["meta-data", action.metaData],
      ["user-data", action.userData],
      ["network-config", action.networkConfig],
    ];
    for (const [name, text] of files) {
      if (text !== null) await writeFile(join(contents, name), text, { mode: 0o600 });
    }
    await writeFile(made, "", { mode: 0o600, flag: "wx" });
    await writeIso(processes, made, contents);
    await setMode(made, 0o600);
    await syncPath(made);
    await rename(made, action.path);
    await removeHalfMade(action.path);
    await syncPath(dirname(action.path)); // that name is there, and the one of the folder is gone, with what is in it
  } finally {
    await removeHalfMade(action.path);
  }
}

/** A file of an ISO 9660 image begins with a sector of its own (ECMA-119, 6.4.2), and nothing sums it up. */
const SECTOR_BYTES = 2048;
const INSTANCE_ID = /^instance-id: "([^"\n]{36})"/;

/**
 * Copies a seed and puts an instance-id of the same length in the place of the one in its meta-data: user data and keys
 * come along without being read. Private, and on the disk when it returns. Throws "integrity" where it is no such seed.
 */
export async function renewSeed({ from, to, instanceId }: Extract<Action, { do: "renew-seed" }>): Promise<void> {
  const source = await openOutside(from);
  const bytes = await source.readFile().finally(() => source.close());
  const at = metaDataIn(bytes);
  if (at === null || instanceId.length !== 36) {
    throw new EstratoError("integrity", `${from}: it holds no meta-data of ours`, {
      hint: "It is no seed that estrato made: put that one back from a copy.",
    });
  }
  bytes.write(instanceId, at + 'instance-id: "'.length, "latin1");
  const part = temporaryName(to);
  const made = await open(part, "wx", 0o600);
  try {
    await made.writeFile(bytes);
    await made.sync();
    await made.close();
    await rename(part, to);
  } catch (error) {
    await made.close().catch(() => undefined);
    await removeFile(part);
    throw error;
  }
  await syncPath(dirname(to));
}

/** Where its meta-data begin; null where it has none that we wrote. */
function metaDataIn(seed: Buffer): number | null {
  for (let at = 0; at < seed.length; at += SECTOR_BYTES) {
    if (INSTANCE_ID.test(seed.toString("latin1", at, at + 64))) return at;
  }
  return null;
}

/** What does the same, for people. */
export function renewSeedCommands({ from, to, instanceId }: Extract<Action, { do: "renew-seed" }>): Command[] {
  const renew = `s/^instance-id: "[^"]*"/instance-id: "${instanceId}"/`;
  return [
    { program: "cp", args: ["--", from, to] },
    { program: "sed", args: ["--binary", "--in-place", renew, to] },
  ];
}

/** Where the seed at `path` is being made. */
function workFolder(path: string): string {
  return `${dirname(path)}/.${basename(path)}.making`;
}

/**
 * What a command that was killed over making this seed left of it; `path` may be that folder's own. Nothing where there
 * is nothing.
 */
export async function removeHalfMade(path: string): Promise<void> {
  await rm(path.endsWith(".iso.making") ? path : workFolder(path), { recursive: true, force: true });
}

/** xorriso 1.5.4 ends by SIGSEGV about once in 300 runs (measured); run again it does its work. */
const ATTEMPTS = 5;
const CRASHED = /^UNIX-SIGNAL:/m;

async function runWriter(processes: Processes, command: Command): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const result = await processes.run(command);
    if (result.exit === 0) return;
    if (attempt === ATTEMPTS || !CRASHED.test(result.stderr)) throw failure(command, result);
  }
}

async function writeIso(processes: Processes, output: string, folder: string): Promise<void> {
  for (const writer of WRITERS) {
    try {
      await runWriter(processes, seedCommand(output, folder, writer));
      return;
    } catch (error) {
      if (!(error instanceof MissingProgram)) throw error;
    }
  }
  throw new MissingProgram("xorriso");
}
