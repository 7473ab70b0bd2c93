/** Completion as a person meets it: in the three shells, with the Tab key. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, test } from "vitest";
import { SCRIPTS } from "../../../src/commands/completion/scripts.ts";
import { runIfThere } from "../programs.ts";
import type { Screen } from "./screen.ts";
import { openScene } from "./session.ts";

const folder = mkdtempSync(join(tmpdir(), "estrato-shells."));
const SHELLS = {
  bash: `bash --noprofile --rcfile ${folder}/bash -i`,
  zsh: `env ZDOTDIR=${folder} zsh -i`,
  fish: `env HOME=${folder} fish --no-config --init-command 'source ${folder}/fish'`,
} as const;
const PROMPTS = {
  bash: 'PS1="ready> "\n',
  zsh: 'PS1="ready> "; autoload -U compinit; compinit -D -u\n',
  fish: "function fish_prompt; echo 'ready> '; end\n",
} as const;

beforeAll(() => {
  for (const shell of ["bash", "zsh", "fish"] as const) {
    const file = shell === "zsh" ? ".zshrc" : shell;
    writeFileSync(join(folder, file), `${PROMPTS[shell]}${SCRIPTS[shell]}`);
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What is typed while a shell is not asking may be thrown away with what was interrupted. */
const ASKS = /ready>$/;

/** What the shell makes of what is typed and Tab: a letter shows where the cursor is then. */
async function completes(screen: Screen, typed: string, becomes: string): Promise<void> {
  await screen.shows(ASKS);
  screen.type(typed);
  screen.press("Tab");
  await screen.shows(`ready> ${becomes.trimEnd()}`);
  screen.type("Z");
  await screen.shows(`ready> ${becomes}Z`);
  screen.press("C-c");
}

describe.each(["bash", "zsh", "fish"] as const)("%s", (shell) => {
  test.skipIf(runIfThere(shell, ["-c", ""]) === null)(
    "completes verbs, names, options, files, filters, networks, owners, settings, backups and other words",
    async () => {
      const screen = await openScene("estate", 100);
      try {
        screen.begin(SHELLS[shell]);
        await completes(screen, "estrato instance show put", "estrato instance show put-by ");
        // To fish that is a bell.
        if (shell !== "fish") await completes(screen, "estrato volume show dat\\a1", "estrato volume show data1 ");
        await completes(screen, 'estrato volume show "data2', 'estrato volume show "data2" ');
        await completes(screen, "estrato snapshot show web1/fi", "estrato snapshot show web1/first ");
        await completes(screen, "estrato instance create x --netw", "estrato instance create x --network ");
        await completes(screen, "estrato instance list --filter stat", "estrato instance list --filter status=");
        await completes(
          screen,
          "estrato instance list --filter status=shel",
          "estrato instance list --filter status=shelved ",
        );
        await completes(
          screen,
          "estrato instance list --filter=status=shel",
          "estrato instance list --filter=status=shelved ",
        );
        await completes(screen, "estrato config set color nev", "estrato config set color never ");
        await completes(screen, "estrato config get rot", "estrato config get rotation ");
        await completes(
          screen,
          "estrato instance create x --network def",
          "estrato instance create x --network default ",
        );
        await completes(screen, "estrato volume list --owner an", "estrato volume list --owner ana ");
        await completes(screen, "estrato backup show web1/ni", "estrato backup show web1/nightly ");
        await completes(screen, "estrato image dereg", "estrato image deregister ");
        writeFileSync(join(folder, "only-one.qcow2"), "");
        await completes(
          screen,
          `estrato image create y --file ${folder}/only`,
          `estrato image create y --file ${folder}/only-one.qcow2 `,
        );
      } finally {
        screen.close();
      }
    },
  );
});
