/** Can QEMU open what is made in this store, and is it ours afterwards? Asked before anything is made. */
import { dirname } from "node:path";
import { EstratoError } from "../errors.ts";
import type { HostCapabilities } from "./model/host.ts";
import type { World } from "./ports.ts";

/** Who may pass through a folder where nobody is named: its group and everybody. */
const PASSABLE = 0o011;

/**
 * Throws "host", with nothing made, where the libvirt that was named runs QEMU as a user who may not pass through a
 * folder above the store, naming the folders and the command that opens them; and where it would take the store's
 * files away from whoever calls: it gives a guest's files to QEMU's user, those of frozen layers for good, and only
 * root can still read them then.
 */
export async function requireQemuMayEnter(world: World): Promise<void> {
  const { home } = world.store.paths;
  const below = await lowest(world, home);
  const isForAll = await isOpen(world, below);
  if (isForAll && world.host.isRoot()) return; // as whom QEMU runs need not be asked
  const { qemuUser, takesFiles } = await world.host.capabilities();
  if (qemuUser === null) return;
  if (takesFiles === true) {
    throw new EstratoError(
      "host",
      `${home}: this libvirt runs QEMU as ${(await nameOf(world, qemuUser)).name}, and would take the store's files away from you`,
      { hint: "Use a libvirt of your own (--connect qemu:///session), or root's store (sudo estrato)." },
    );
  }
  if (isForAll) return;
  const { name, user } = await nameOf(world, qemuUser);
  const closed = await world.host.blockedFolders(below, user);
  const [outermost] = closed;
  if (outermost === undefined) return;
  throw new EstratoError(
    "host",
    `${outermost}: QEMU's user ${name} may not pass through it, and the store lies below`,
    {
      hint: `Open the way: ${user === null ? "chmod o+x" : `setfacl -m u:${name}:x`} ${closed.join(" ")}.`,
    },
  );
}

/** A user that no name service lists is let in with everybody. */
async function nameOf(world: World, { uid }: NonNullable<HostCapabilities["qemuUser"]>) {
  const user = (await world.host.users(String(uid)))[0] ?? null;
  return { name: user?.name ?? String(uid), user };
}

/** What lies in the deepest folder that is there: those between it and a store that is to come are made passable. */
async function lowest(world: World, home: string): Promise<string> {
  const there = await world.host.realPath(home);
  if (there !== null) return there;
  for (let at = dirname(home); ; at = dirname(at)) {
    const real = await world.host.realPath(at);
    if (real !== null) return `${real}/.`.replace("//", "/");
    if (at === dirname(at)) return home;
  }
}

/** Without asking for ACLs, which are the exception, and take a process. */
async function isOpen(world: World, path: string): Promise<boolean> {
  for (let at = dirname(path); ; at = dirname(at)) {
    const folder = await world.host.fileInfo(at);
    if (folder === null || (folder.mode & PASSABLE) !== PASSABLE) return false;
    if (at === dirname(at)) return true;
  }
}
