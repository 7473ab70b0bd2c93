/** What the small machine that reads file systems is started with: libguestfs' appliance (guestfs-internals(1)). */
import { constants } from "node:fs";
import { access, readdir } from "node:fs/promises";
import { EstratoError } from "../../errors.ts";

/** Where supermin(1) looks for kernels, in its order. */
const KERNELS = { modules: "/lib/modules", boot: "/boot" };

/** Its environment: QEMU started by itself and not by libvirt, and all that it writes in this folder. */
export function applianceEnvironment(folder: string): Readonly<Record<string, string>> {
  return { LIBGUESTFS_BACKEND: "direct", TMPDIR: folder, XDG_RUNTIME_DIR: folder };
}

/**
 * Throws "host" where this host has no kernel that the caller may read: the appliance boots with it. Debian keeps
 * kernels readable (0644), Ubuntu for root alone (0600).
 */
export async function requireKernel(env: NodeJS.ProcessEnv, places = KERNELS, look = mayRead): Promise<void> {
  // Somebody has said where it is to be had
  if (env.SUPERMIN_KERNEL || env.LIBGUESTFS_PATH) return;
  const kernels = [
    ...(await names(places.modules)).map((version) => `${places.modules}/${version}/vmlinuz`),
    ...(await names(places.boot)).flatMap((name) => (name.startsWith("vmlinuz-") ? [`${places.boot}/${name}`] : [])),
  ];
  const found = await Promise.all(kernels.map((path) => look(path)));
  if (found.includes("yes")) return;
  const hidden = kernels[found.indexOf("no")];
  if (hidden === undefined) {
    throw new EstratoError("host", "file systems are read by a small machine of libguestfs, and no kernel is here", {
      hint: "Install one, as the Debian package linux-image-amd64: it need not be the one that runs.",
    });
  }
  throw new EstratoError(
    "host",
    `${hidden}: only root may read this kernel, with which libguestfs reads file systems`,
    {
      hint: `Let others read it: sudo chmod 0644 ${hidden}; or run the command as root.`,
    },
  );
}

async function names(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

async function mayRead(path: string): Promise<"yes" | "no" | "gone"> {
  try {
    await access(path, constants.R_OK);
    return "yes";
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EACCES" ? "no" : "gone";
  }
}
