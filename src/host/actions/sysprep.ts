/** The action "sysprep". */
import { EstratoError } from "../../errors.ts";
import { applianceEnvironment } from "../guest-files/appliance.ts";
import { withFolder } from "../own-folder.ts";
import { lastWords, printable } from "../process-failure.ts";
import { SYSPREP, sysprep } from "../sysprep.ts";
import { type ActionContext, type ActionOf, holdingLocks } from "./context.ts";

/**
 * libguestfs boots a small system of its own on the files, as our own child and not by libvirt, whose list of domains
 * is not to change by it (guestfs(3), "BACKEND").
 */
export async function performSysprep(context: ActionContext, action: ActionOf<"sysprep">): Promise<void> {
  const { signal } = context.options;
  const { exit, stderr } = await withFolder((folder) =>
    context.processes.run(sysprep(action), {
      ...holdingLocks(context),
      ...(signal ? { signal } : {}),
      as: "change",
      environment: applianceEnvironment(folder),
    }),
  );
  if (exit === 0) return;
  throw new EstratoError("host", `${SYSPREP}: ${whyNot(stderr) ?? `exit code ${exit}`}`, {
    hint: 'libguestfs needs a kernel in /boot that you may read: "libguestfs-test-tool" says what is missing.',
  });
}

/** What it says of bugs, below, is nothing to go by. */
function whyNot(stderr: string): string | null {
  const said = /^virt-sysprep: error: (.*?)\.?$/m.exec(stderr)?.[1];
  return said === undefined ? lastWords(stderr) : printable(said);
}
