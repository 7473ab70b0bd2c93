/**
 * What makes a copy of a machine one of its own at its first boot, where cloud-init is in it: it gives each new
 * instance-id a host name and adds a key, but leaves the machine-id and who may log in as the first machine had them.
 * Sources: https://docs.cloud-init.io/en/latest/reference/modules.html#bootcmd, .../reference/merging.html,
 * machine-id(5).
 */
import type { ConfigPart } from "./user-data.ts";

/**
 * By name, since each is done once for each instance-id. Before cloud-init writes the keys that it was told, and before
 * sshd is started. Whoever runs already has the old machine-id until the next boot.
 */
const COMMANDS = {
  "own-machine-id": "rm -f /etc/machine-id /var/lib/dbus/machine-id; systemd-machine-id-setup",
  "own-host-keys": "rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub",
  "own-logins": "rm -f /root/.ssh/authorized_keys* /home/*/.ssh/authorized_keys*",
};

/** It is added to what the other part says of `bootcmd`, and done first. */
export const OWN_IDENTITY: ConfigPart = {
  config: [
    "bootcmd:",
    ...Object.entries(COMMANDS).map(
      ([name, line]) => `  - ${JSON.stringify(["cloud-init-per", "instance", name, "sh", "-c", line])}`,
    ),
  ],
  merge: "dict(no_replace,recurse_list)+list(prepend)+str()",
};
