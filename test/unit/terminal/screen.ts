/** A terminal of a given size, by tmux: what a person types into it, and what stands on it then. */
import { spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pauses } from "../../wait.ts";

const PATIENCE_MS = 60_000;
/** The prompt of the shell in it; no line of ours begins like that. */
const PROMPT = "$";
/** Names of keys are tmux(1)'s. */
export type Key = "Enter" | "Escape" | "Space" | "Tab" | "BSpace" | "Up" | "Down" | "Left" | "Right" | "C-c" | "C-d";

export interface Screen {
  /** Types a line, Enter behind it, and waits until the shell asks for the next one. */
  run(line: string): Promise<void>;
  /** Types a line, Enter behind it, and waits for nothing. */
  begin(line: string): void;
  /** Types this, without Enter. */
  type(text: string): void;
  press(...keys: readonly Key[]): void;
  /** Waits until this stands on the screen. */
  shows(text: string | RegExp): Promise<void>;
  /** Waits until the shell asks for the next line. */
  done(): Promise<void>;
  /** Types a line that wipes all that stands there and gives the terminal this title, and waits until it has. */
  wipe(line: string, title: string): Promise<void>;
  /** All that was written since it was opened, as it stands there: no colours, no spaces at the ends of lines. */
  text(): string;
  close(): void;
}

let opened = 0;

/** A tmux server of its own for each terminal: one that ends takes no other with it. */
function server(socket: string): (...words: readonly string[]) => string {
  return (...words) => {
    const { status, stdout, stderr } = spawnSync("tmux", ["-S", socket, "-f", "/dev/null", ...words], {
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`tmux ${words.join(" ")}: ${stderr}`);
    return stdout;
  };
}

/** Opens one with a shell in it. `env`: what the shell knows beside PATH. */
export async function openScreen(
  columns: number,
  env: Readonly<Record<string, string>>,
  shell: readonly string[] = ["sh"],
): Promise<Screen> {
  opened += 1;
  const name = `estrato-test-${process.pid}-${opened}`;
  const socket = join(tmpdir(), name);
  const tmux = server(socket);
  const words = Object.entries({ PS1: `${PROMPT} `, ...env }).map(([key, value]) => `${key}=${value}`);
  // One server's terminals have the environment that it was started with: nothing of ours but what is named.
  const begun = [
    "env",
    "-i",
    `PATH=${process.env.PATH}`,
    "TERM=tmux-256color",
    "LC_ALL=C.UTF-8",
    "TZ=UTC",
    ...words,
    ...shell,
  ];
  tmux("new-session", "-d", "-s", name, "-x", String(columns), "-y", "50", ...begun);

  const text = (): string => tmux("capture-pane", "-p", "-t", name, "-S", "-", "-E", "-").trimEnd();
  const prompts = (): number =>
    text()
      .split("\n")
      .filter((line) => line === PROMPT || line.startsWith(`${PROMPT} `)).length;
  let asked = 0;

  async function waitFor(what: string, holds: () => boolean): Promise<void> {
    for await (const _ of pauses(PATIENCE_MS, 30)) if (holds()) return;
    throw new Error(`waited in vain for ${what}; there stands:\n${text()}`);
  }

  const screen: Screen = {
    async run(line) {
      screen.begin(line);
      await screen.done();
    },
    begin: (line) => {
      screen.type(line);
      screen.press("Enter");
    },
    type: (typed) => void tmux("send-keys", "-t", name, "-l", "--", typed),
    press: (...keys) => void tmux("send-keys", "-t", name, ...keys),
    shows: (wanted) =>
      waitFor(String(wanted), () => (typeof wanted === "string" ? text().includes(wanted) : wanted.test(text()))),
    async done() {
      await waitFor("the next prompt", () => prompts() > asked && text().endsWith(PROMPT));
      asked = prompts();
    },
    async wipe(line, title) {
      screen.begin(line);
      // It may look wiped before the line has come there.
      const isWiped = () => tmux("display-message", "-p", "-t", name, "#{pane_title}").trim() === title;
      await waitFor("an empty terminal", () => isWiped() && text() === PROMPT);
      asked = 1;
    },
    text,
    close: () => {
      tmux("kill-server");
      rmSync(socket, { force: true }); // tmux leaves it
    },
  };
  await screen.done();
  return screen;
}
