/**
 * What makes a copy of a machine one of its own at its first boot, where cloud-init is in it: it gives each new
 * instance-id a host name and adds a key, but leaves the machine-id and who may log in as the first machine had them.
 * Sources: https://docs.cloud-init.io/en/latest/reference/modules.html#bootcmd, .../reference/merging.html,
 * machine-id(5).
 */
import { createHash } from "node:crypto";
import { EstratoError } from "../../errors.ts";

/**
 * By name, since each is done once for each instance-id. Before cloud-init writes the keys that it was told, and before
 * sshd is started. Whoever runs already has the old machine-id until the next boot.
 */
const COMMANDS = {
  "own-machine-id": "rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup",
  "own-host-keys": "rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub",
  "own-logins": "rm -f /root/.ssh/authorized_keys* /home/*/.ssh/authorized_keys*",
};

const BOOT = [
  "bootcmd:",
  ...Object.entries(COMMANDS).map(
    ([name, line]) => `  - ${JSON.stringify(["cloud-init-per", "instance", name, "sh", "-c", line])}`,
  ),
  "",
].join("\n");

/** It is added to what the other part says of `bootcmd`, and done first. */
const MERGED = "dict(no_replace,recurse_list)+list(prepend)+str()";

/** A cloud-config of ours that says so, too. */
export function ownIdentityIn(config: string): string {
  return config === "#cloud-config\n{}\n" ? `#cloud-config\n${BOOT}` : `${config}${BOOT}`;
}

/**
 * The user data of a person's, with that: cloud-init reads both parts. Throws "usage" for what is of several parts
 * already.
 */
export function ownIdentityBeside(userData: string): string {
  requireOnePart(userData);
  const boundary = `estrato-${createHash("sha256").update(userData).digest("hex").slice(0, 32)}`;
  const part = (type: string, text: string, ...headers: string[]) =>
    [`--${boundary}`, `Content-Type: ${type}; charset="utf-8"`, ...headers, "", text].join("\n");
  return [
    "MIME-Version: 1.0",
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    "",
    part("text/plain", userData), // cloud-init looks at its first line
    part("text/cloud-config", `#cloud-config\n${BOOT}`, `X-Merge-Type: ${MERGED}`),
    `--${boundary}--`,
    "",
  ].join("\n");
}

export function requireOnePart(userData: string): void {
  if (!/^(mime-version|content-type):/i.test(userData)) return;
  throw new EstratoError("usage", "instance create: --own-identity and user data of several parts", {
    hint: "Leave one of them out: estrato-concepts(7), WHAT A COPY CARRIES, says what a part of yours would do.",
  });
}
