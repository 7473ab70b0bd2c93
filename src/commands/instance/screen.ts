/** A guest's screen: in a viewer where there is one, else where it is to be found. */
import { screenOf } from "../../core/instances/access.ts";
import type { World } from "../../core/ports.ts";
import { EstratoError } from "../../errors.ts";
import type { Factory } from "../../factory.ts";
import { thisMachine } from "../../system.ts";
import { printable } from "../../ui/text.ts";

/**
 * Opens the screen in virt-viewer and returns "" when that is closed; without a desktop or a viewer it returns what to
 * tell people, and so it does in a dry run. Throws "conflict" where the guest is off or has no screen.
 */
export async function openScreen(world: World, target: string, factory: Factory): Promise<string> {
  const { uuid, name, scheme, address, port } = await screenOf(world, target);
  const { env, settings, user } = factory;
  if ((env.DISPLAY || env.WAYLAND_DISPLAY) && !world.dryRun) {
    const uri = (await settings()).get("connect").value ?? "qemu:///system";
    try {
      await world.host.interactive({ program: "virt-viewer", args: ["--connect", uri, "--uuid", uuid] });
      return "";
    } catch (error) {
      if (!(error instanceof EstratoError) || error.code !== "host") throw error;
      factory.report.note("virt-viewer is not installed.");
    }
  }
  const here = `${scheme}://${address}:${port}`;
  const tunnel = `ssh -N -L ${port}:${address}:${port} ${user}@${thisMachine().name}`;
  return `The screen of ${printable(name)}: ${here}\nFrom another machine: ${tunnel}\nand there: ${scheme}://127.0.0.1:${port}\n`;
}
