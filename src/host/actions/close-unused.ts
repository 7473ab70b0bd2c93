/**
 * What a running QEMU has open beside the disks that libvirt knows of. libvirtd opens a file, and puts a disk onto it,
 * by several messages: killed between two of them it forgets what the first have done, and the file stays locked until
 * the guest stops.
 */
import { EstratoError } from "../../errors.ts";
import { parseNodes, unknownDevices } from "../qemu-disks.ts";
import { type ActionContext, type ActionOf, backOffMs, holdingLocks } from "./context.ts";
import { isLive } from "./live-disks.ts";

/** How long a guest may take to let go of a disk that nobody but it and QEMU knows of. */
const LET_GO_MS = 10_000;

export async function performCloseUnused(context: ActionContext, action: ActionOf<"close-unused">): Promise<void> {
  const { domain, path } = action;
  if (!(await isLive(context, domain))) return;
  const ask = (execute: string, args: object) =>
    context.virsh.output(
      ["qemu-monitor-command", "--domain", domain, JSON.stringify({ execute, arguments: args })],
      holdingLocks(context),
    );
  const startedMs = context.nowMs();
  for (const ms of backOffMs()) {
    const devices = await unknownDevices(context.virsh, domain, path);
    if (devices.length === 0) break;
    if (context.nowMs() - startedMs >= LET_GO_MS) {
      const why = `${domain}: its guest does not let go of ${path}, which libvirt knows nothing of`;
      throw new EstratoError("conflict", why, { hint: "Stop the guest." });
    }
    // Asked once more, QEMU says that it has asked the guest already.
    for (const id of devices) await ask("device_del", { id });
    await context.sleep(ms, context.options.signal);
  }
  const nodes = parseNodes(await ask("query-named-block-nodes", { flat: true })).filter(({ file }) => file === path);
  // What reads the format uses what reads the file, which can go after it. QEMU refuses for any that is used.
  for (const { name } of [...nodes, ...nodes]) await ask("blockdev-del", { "node-name": name });
}
