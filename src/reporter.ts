/** Core's way to speak, at this terminal: notes and progress on stderr, questions to a person or to nobody. */
import type { Reporter } from "./core/ports.ts";
import { crashPoint } from "./crash-points.ts";
import { EstratoError } from "./errors.ts";
import type { Globals } from "./globals.ts";
import type { Prompts } from "./ui/prompts.ts";
import type { StatusLine } from "./ui/status-line.ts";
import { told } from "./ui/text.ts";

export interface ReporterOptions {
  readonly globals: Pick<Globals, "quiet" | "verbose" | "yes" | "dryRun">;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly status: StatusLine;
  /** Writes to stderr, the status line wiped. */
  readonly say: (text: string) => void;
  /** Null: nobody can be asked. */
  readonly prompts: () => Prompts | null;
}

export interface TerminalReporter extends Reporter {
  /** Has a question been answered with no, since this was asked last? */
  readonly takeDeclined: () => boolean;
  readonly stepsDone: () => number;
}

export function createReporter({ globals, env, status, say, prompts }: ReporterOptions): TerminalReporter {
  let declined = false;
  let stepsDone = 0;
  let lastLine = "";
  return {
    takeDeclined() {
      const was = declined;
      declined = false;
      return was;
    },
    stepsDone: () => stepsDone,
    note(text) {
      if (!globals.quiet) say(`${told(text)}\n`);
    },
    progress: (title, fraction, detail) => status.show(title, fraction, detail),
    ...(globals.verbose ? { detail: (text: string) => say(`${told(text)}\n`) } : {}),
    step(event) {
      if (event.phase === "after") stepsDone += 1;
      if (event.phase === "before") {
        // One step may be many actions: it is said once.
        const line = `${event.operation} ${event.title}`;
        if (globals.verbose && line !== lastLine) say(`${told(event.title)}\n`);
        lastLine = line;
        status.show(event.title, null);
      }
      crashPoint(env, event);
    },
    /** Yes with --yes, unless a person must say it, and in a dry run, which changes nothing. */
    async confirm(question) {
      const { text, loses, heading = "Lost would be", byPerson = false } = question;
      if ((globals.yes && !byPerson) || globals.dryRun) return true;
      status.clear();
      const asking = prompts();
      if (asking === null && byPerson) return false;
      if (asking === null) {
        const lost = loses.length === 0 ? "" : ` ${heading}: ${loses.map(told).join(", ")}.`;
        throw new EstratoError("needs_yes", `${text} This needs a yes, and nobody can be asked`, {
          hint: `Nothing has changed.${lost} Give --yes to go on.`,
        });
      }
      const yes = await asking.confirm(question);
      declined ||= !yes;
      return yes;
    },
  };
}
