import { EstratoError } from "../../errors.ts";
import { one } from "../framework/arguments.ts";
import { verb } from "../framework/verb.ts";
import { SCRIPTS, SHELLS } from "./scripts.ts";

export default verb({
  description:
    "Prints the script that makes a shell complete verbs, options and the names of what there is. Put its line into the shell's start " +
    "file; the packages for Debian bring it along, and need no line.",
  arguments: { shell: one("SHELL", "bash, zsh or fish", { complete: SHELLS, ask: "Which shell?" }) },
  changes: false,
  withoutSettings: true,
  examples: [
    { line: 'eval "$(estrato completion bash)"', says: "in ~/.bashrc" },
    { line: "estrato completion fish | source", says: "in fish's config.fish" },
  ],
  exits: { 2: "a shell that is not known" },
  async run({ args, streams }) {
    const shell = SHELLS.find((known) => known === args.shell);
    if (shell === undefined) {
      throw new EstratoError("usage", `shell ${JSON.stringify(args.shell)}: not known`, {
        hint: `Give one of ${SHELLS.join(", ")}.`,
      });
    }
    streams.stdout.write(SCRIPTS[shell]);
    return null;
  },
});
