/** The command tree: nouns and verbs with a summary and a lazy load, and the way from a line to one of them. */
import { helpFor, shortHelp } from "./commands/framework/help.ts";
import { requireKnownOptions, resolve } from "./commands/framework/resolve.ts";
import type { Catalogue } from "./commands/framework/tree.ts";
import { EstratoError } from "./errors.ts";
import type { Surroundings } from "./factory.ts";
import { shellQuoted } from "./ui/plan.ts";
import { terminalOf } from "./ui/streams.ts";

declare const ESTRATO_VERSION: string | undefined;

/** In the order of help. */
export const catalogue: Catalogue = {
  instance: {
    summary: "Guests: make, start, stop, look inside",
    noun: () => import("./commands/instance/index.ts"),
  },
  snapshot: {
    summary: "What the disks held at a moment, and the way back",
    noun: () => import("./commands/snapshot/index.ts"),
  },
  volume: { summary: "Disks that are attached, detached and kept", noun: () => import("./commands/volume/index.ts") },
  image: { summary: "What instances are made from", noun: () => import("./commands/image/index.ts") },
  shelve: {
    summary: "Put instances away without losing anything",
    verb: () => import("./commands/instance/shelve.ts"),
  },
  unshelve: { summary: "Bring shelved instances back", verb: () => import("./commands/instance/unshelve.ts") },
  backup: {
    summary: "Copies in another folder, rotated and verified",
    noun: () => import("./commands/backup/index.ts"),
  },
  schedule: {
    summary: "What cron does in your name, night after night",
    noun: () => import("./commands/schedule/index.ts"),
  },
  check: { summary: "One line and an exit code for monitoring", verb: () => import("./commands/check/check.ts") },
  flavor: { summary: "Sizes that instances are made in", noun: () => import("./commands/flavor/index.ts") },
  keypair: { summary: "Public SSH keys that new instances let in", noun: () => import("./commands/keypair/index.ts") },
  network: { summary: "What new instances are put on", noun: () => import("./commands/network/index.ts") },
  config: { summary: "Settings", noun: () => import("./commands/config/index.ts") },
  event: { summary: "What was done on this host", noun: () => import("./commands/event/index.ts") },
  completion: {
    summary: "Print a shell's completion script",
    verb: () => import("./commands/completion/completion.ts"),
  },
  help: { summary: "Show help for a noun or a verb", verb: () => import("./commands/help/help.ts") },
  __complete: { summary: "Complete a line", verb: () => import("./commands/completion/complete.ts"), hidden: true },
  doctor: { summary: "Compare records, files and libvirt, and mend", verb: () => import("./commands/doctor.ts") },
  usage: { summary: "Where the bytes are, and what would free them", verb: () => import("./commands/usage.ts") },
  wait: { summary: "Wait for an instance", verb: () => import("./commands/wait.ts") },
};

/** As typed, quoted for a shell. */
export function commandLine(words: readonly string[]): string {
  return ["estrato", ...words].map(shellQuoted).join(" ");
}

/** Runs one line: `words` are what stands behind the program's name. Throws what goes wrong. */
export async function runProgram(words: readonly string[], surroundings: Surroundings): Promise<void> {
  const { stdout } = surroundings.streams;
  const terminal = terminalOf(surroundings.streams, surroundings.env);
  const options = words.slice(0, words.includes("--") ? words.indexOf("--") : undefined);
  const help = (of: readonly string[]) =>
    helpFor(catalogue, of, terminal.columns, async () =>
      (await import("./commands/framework/guides.ts")).languageFor(surroundings),
    );
  if (words[0] !== "__complete") {
    if (options.includes("--help") || options.includes("-h")) {
      stdout.write(await help(words.filter((word) => word !== "--help" && word !== "-h")));
      return;
    }
    if (words[0] === "--version" || words[0] === "-V") {
      stdout.write(`estrato ${version()}\n`);
      return;
    }
  }
  const resolved = await resolve(catalogue, words);
  if (resolved.is === "nothing") {
    requireKnownOptions(words);
    const [behind] = words.slice(options.length + 1);
    if (behind !== undefined) {
      throw new EstratoError("usage", `${behind}: no command stands before --`, { hint: 'See "estrato help".' });
    }
    stdout.write(terminal.stdout ? await shortHelp(terminal.columns) : await help([]));
    return;
  }
  if (resolved.is === "noun") {
    throw new EstratoError("usage", `${resolved.name}: a verb is missing`, {
      hint: `It has: ${Object.keys(resolved.noun.verbs).join(", ")}.`,
    });
  }
  const [{ default: verb }, { runVerb }] = await Promise.all([resolved.load(), import("./commands/framework/run.ts")]);
  await runVerb(resolved.path.join(" "), verb, resolved.words, commandLine(words), surroundings, catalogue);
}

/** The version of package.json; "dev" where the program is not bundled. */
function version(): string {
  return typeof ESTRATO_VERSION === "undefined" ? "dev" : ESTRATO_VERSION;
}
