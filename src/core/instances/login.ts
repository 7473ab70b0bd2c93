/** Who to be on a guest, where nobody says it: the user whom its image lets in. */
import type { Instance, State } from "../model/state.ts";

/** Glance's property: the user whom the image lets in. docs.openstack.org/glance, "Useful image properties". */
const LOGIN = "os_admin_user";
const DISTRIBUTION = "os_distro";

/** Whom the cloud images of a distribution let in, by what Glance calls it (libosinfo's short ids). */
const USERS: Readonly<Record<string, string>> = {
  almalinux: "almalinux",
  alpine: "alpine",
  amazon: "ec2-user",
  arch: "arch",
  centos: "centos",
  debian: "debian",
  fedora: "fedora",
  freebsd: "freebsd",
  gentoo: "gentoo",
  opensuse: "opensuse",
  rhel: "cloud-user",
  rocky: "rocky",
  ubuntu: "ubuntu",
};

/**
 * The login of an instance: what its own properties or its image's say (`os_admin_user`), else what the distribution
 * uses that these name (`os_distro`), or with whose name its image's begins; else root.
 */
export function loginOf(state: State, record: Instance | null): string {
  const image = state.images[originOf(state, record) ?? ""];
  const properties = { ...image?.properties, ...record?.properties };
  const said = properties[LOGIN];
  if (said !== undefined) return said;
  const distribution = (properties[DISTRIBUTION] ?? image?.name.replace(/[^a-z].*$/i, "") ?? "").toLowerCase();
  return (Object.hasOwn(USERS, distribution) ? USERS[distribution] : undefined) ?? "root";
}

/** The image that it goes back to, over the snapshots of others that it may be made from. */
function originOf(state: State, record: Instance | null): string | null {
  const seen = new Set<string>();
  for (let at = record; at?.image != null && !seen.has(at.id); ) {
    seen.add(at.id);
    if (state.images[at.image] !== undefined) return at.image;
    const of = state.snapshots[at.image]?.instance ?? null;
    at = of === null ? null : (state.instances[of] ?? null);
  }
  return null;
}
