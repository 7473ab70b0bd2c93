/** NoCloud seeds: an ISO 9660 file labelled cidata. Source: cloud-init, datasources/nocloud. */
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Action } from "../core/model/action.ts";
import type { Command } from "../core/model/host.ts";
import { EstratoError } from "../errors.ts";
import { removeFile, setMode, syncPath } from "./files.ts";
import type { Processes } from "./process.ts";
import { failure, missingProgram } from "./process-failure.ts";
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
 * Writes the seed through a temporary name, mode 0600, on the disk when it returns. "host" where no program can write
 * one.
 */
export async function createSeed(processes: Processes, action: SeedAction): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "estrato-seed-")); // mode 0700
  const part = temporaryName(action.path);
  try {
    const files: readonly (readonly [string, string | null])[] = [
      ["meta-data", action.metaData],
      ["user-data", action.userData],
      ["network-config", action.networkConfig],
    ];
    for (const [name, text] of files) {
      if (text !== null) await writeFile(join(folder, name), text, { mode: 0o600 });
    }
    await writeFile(part, "", { mode: 0o600, flag: "wx" });
    await writeIso(processes, part, folder);
    await setMode(part, 0o600);
    await syncPath(part);
    await rename(part, action.path);
    await syncPath(dirname(action.path));
  } finally {
    await removeFile(part);
    await rm(folder, { recursive: true, force: true });
  }
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
      if (!(error instanceof EstratoError && error.code === "host")) throw error;
    }
  }
  throw missingProgram("xorriso");
}
