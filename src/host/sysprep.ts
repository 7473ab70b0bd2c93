/** virt-sysprep(1): takes out of a system, in files that nobody has open, what tells machines apart. */
import type { Action } from "../core/model/action.ts";
import type { Command } from "../core/model/host.ts";
import { requireKernel } from "./guest-files/appliance.ts";
import type { Processes } from "./process.ts";

export const SYSPREP = "virt-sysprep";

export function sysprep({ disks }: Extract<Action, { do: "sysprep" }>): Command {
  const files = disks.flatMap((path) => ["-a", path]);
  return { program: SYSPREP, args: ["--quiet", "--no-network", "--format", "qcow2", ...files] };
}

/** "host" where it is not installed, or no kernel is here that its small machine may be started with. */
export async function requireSysprep(processes: Processes, env: NodeJS.ProcessEnv): Promise<void> {
  await processes.output({ program: SYSPREP, args: ["--version"] });
  await requireKernel(env);
}
