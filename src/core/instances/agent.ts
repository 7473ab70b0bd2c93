/** The guest agent of a new instance: what has cloud-init install it, and what is said where none will answer. */
import type { State } from "../model/state.ts";
import type { InstanceSource } from "./source.ts";
import type { ConfigPart } from "./user-data.ts";

/** Most start it by themselves once it is installed; Debian's by udev, which has looked before. */
const START =
  "systemctl enable --now qemu-guest-agent || systemctl start qemu-guest-agent || " +
  "{ rc-update add qemu-guest-agent && rc-service qemu-guest-agent start; }";

/** Installs the agent's package and starts it, after the packages and commands of others. */
export const AGENT: ConfigPart = {
  config: ["packages:", "  - qemu-guest-agent", "runcmd:", `  - ["sh", "-c", ${JSON.stringify(START)}]`],
  merge: "dict(no_replace,recurse_list)+list(append)+str()",
};

/** Glance's property of an image that says whether there is one: "yes", "no". */
const HAS_AGENT = "hw_qemu_guest_agent";
/** Whose cloud images bring none, by Glance's property os_distro; those of others do. */
const WITHOUT = ["debian", "ubuntu"];

const SO = "every snapshot of it while it runs will be crash-consistent only";

/**
 * What is to be said where no agent will answer in an instance; null: one may. `isAsked`: cloud-init is to install it.
 */
export function agentNote(
  state: State,
  source: Pick<InstanceSource, "kind" | "id">,
  { isAsked, hasChannel }: { readonly isAsked: boolean; readonly hasChannel: boolean },
): string | null {
  if (!hasChannel) return `its definition has no channel to a guest agent: ${SO}`;
  const image = source.kind === "image" ? state.images[source.id] : undefined;
  if (isAsked || image === undefined) return null;
  const { [HAS_AGENT]: said, os_distro: distribution = "" } = image.properties;
  const isWithout = said === "no" || (said !== "yes" && image.type === "base" && WITHOUT.includes(distribution));
  if (!isWithout) return null;
  return `image ${image.name} brings no guest agent: ${SO}. --agent has cloud-init install one; where it is there, say so with --property ${HAS_AGENT}=yes of the image`;
}
