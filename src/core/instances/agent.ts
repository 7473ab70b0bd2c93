/**
 * The guest agent of a new instance: what has cloud-init install it, and what is said where none will answer.
 * Source: https://cloudinit.readthedocs.io/en/latest/explanation/format.html, "MIME multi-part archive", and
 * reference/merging.html.
 */
import { createHash } from "node:crypto";
import type { State } from "../model/state.ts";
import type { InstanceSource } from "./source.ts";

/** Most start it by themselves once it is installed; Debian's by udev, which has looked before. */
const START =
  "systemctl enable --now qemu-guest-agent || systemctl start qemu-guest-agent || " +
  "{ rc-update add qemu-guest-agent && rc-service qemu-guest-agent start; }";

/** Lines of a cloud-config that install the agent's package and start it. */
export const AGENT_CONFIG: readonly string[] = [
  "packages:",
  "  - qemu-guest-agent",
  "runcmd:",
  `  - ["sh", "-c", ${JSON.stringify(START)}]`,
];

/** Added to what a cloud-config before it says, in the place of nothing. */
const ADDED = [
  "merge_how:",
  "  - {name: list, settings: [append]}",
  "  - {name: dict, settings: [no_replace, recurse_list]}",
];

/** An archive in MIME, with what may stand before it. */
const IS_ARCHIVE = /^(?:From .*\r?\n)?(?:[\w-]+:.*\r?\n(?:[ \t].*\r?\n)*)*?content-type:\s*multipart\//i;

/**
 * User data of any kind (a script, a cloud-config, a template, an archive), and the agent beside it: an archive of
 * both. What stands in a list of packages or commands there stays.
 */
export function withAgent(userData: string): string {
  const boundary = `==${createHash("sha256").update(userData).digest("hex")}==`;
  const own = IS_ARCHIVE.test(userData)
    ? userData.replace(/^From .*\r?\n/, "")
    : ['Content-Type: text/plain; charset="utf-8"', "Content-Transfer-Encoding: base64", "", inLines(userData)].join(
        "\n",
      );
  const agent = ["#cloud-config", ...ADDED, ...AGENT_CONFIG].join("\n");
  return [
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    "MIME-Version: 1.0",
    "",
    `--${boundary}`,
    own,
    `--${boundary}`,
    'Content-Type: text/cloud-config; charset="utf-8"',
    "",
    agent,
    `--${boundary}--`,
    "",
  ].join("\n");
}

/** RFC 2045: at most 76 characters each. */
function inLines(text: string): string {
  return Buffer.from(text)
    .toString("base64")
    .replace(/.{76}(?=.)/g, "$&\n");
}

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
