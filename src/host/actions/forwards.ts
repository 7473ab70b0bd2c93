/** The ports that lead into a running guest whose network QEMU serves itself. */
import type { Forward } from "../../core/model/host.ts";
import { EstratoError } from "../../errors.ts";
import { addForward, monitorWords, netdevOf, parseForwards, removeForward } from "../forward-words.ts";
import { lastWords } from "../process-failure.ts";
import { type ActionContext, type ActionOf, holdingLocks } from "./context.ts";
import { isLive } from "./live-disks.ts";

/** Those that are not wanted go first: a port may lead elsewhere from now on. */
export async function performSetForwards(context: ActionContext, action: ActionOf<"set-forwards">): Promise<void> {
  const { domain, forwards } = action;
  const netdev = (await isLive(context, domain)) ? await netdevOf(context.virsh, domain) : null;
  if (netdev === null) return;
  const tell = async (line: string) =>
    (await context.virsh.output(monitorWords(domain, line), holdingLocks(context))).trim();
  const there = parseForwards(await tell("info usernet"), netdev);
  for (const one of there.filter((each) => !includes(forwards, each))) await tell(removeForward(netdev, one));
  for (const one of forwards.filter((each) => !includes(there, each))) {
    const complaint = await tell(addForward(netdev, one)); // virsh's exit code says nothing of it (measured)
    if (complaint === "") continue;
    const why = /Could not set up host forwarding/.test(complaint) ? "somebody else has it" : lastWords(complaint);
    throw new EstratoError("conflict", `port ${one.address}:${one.host} (${one.protocol}): ${why}`, {
      hint: "Free it and run estrato doctor --repair; or take another: estrato instance set --no-forward … --forward ….",
    });
  }
}

function includes(forwards: readonly Forward[], { protocol, address, host, guest }: Forward): boolean {
  return forwards.some(
    (one) => one.protocol === protocol && one.address === address && one.host === host && one.guest === guest,
  );
}
