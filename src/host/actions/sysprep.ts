/** The action "sysprep". */
import { EstratoError } from "../../errors.ts";
import { lastWords } from "../process-failure.ts";
import { SYSPREP, sysprep } from "../sysprep.ts";
import { type ActionContext, type ActionOf, holdingLocks } from "./context.ts";

/**
 * libguestfs boots a small system of its own on the files, as our own child and not by libvirt, whose list of domains
 * is not to change by it (guestfs(3), "BACKEND").
 */
export async function performSysprep(context: ActionContext, action: ActionOf<"sysprep">): Promise<void> {
  const { signal } = context.options;
  const { exit, stderr } = await context.processes.run(sysprep(action), {
    ...holdingLocks(context),
    ...(signal ? { signal } : {}),
    as: "change",
    environment: { LIBGUESTFS_BACKEND: "direct" },
  });
  if (exit === 0) return;
  const why = (lastWords(stderr) ?? `exit code ${exit}`).replace(/^virt-sysprep: (error: )?/, "");
  throw new EstratoError("host", `${SYSPREP}: ${why}`, {
    hint: 'libguestfs needs a kernel in /boot that you may read: "libguestfs-test-tool" says what is missing.',
  });
}
