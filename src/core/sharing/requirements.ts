/** What must hold before an image is shared, and before it is taken back. Each throws with nothing changed. */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { chain } from "../graph/references.ts";
import type { HostUser } from "../model/host.ts";
import type { Image, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import type { Audience } from "./access.ts";
import { usersOf } from "./uses.ts";

/**
 * The users of these names. Throws "not_found", and "usage" for the store's own user and for root, whose libvirt would
 * take the files.
 */
export async function usersNamed(world: World, names: readonly string[]): Promise<HostUser[]> {
  const own = (await world.host.fileInfo(world.store.paths.home))?.uid;
  const found: HostUser[] = [];
  for (const name of new Set(names)) {
    const [user] = await world.host.users(name);
    if (user?.name !== name) {
      throw new EstratoError("not_found", `user ${name}: not found`, { hint: "Name a user of this host." });
    }
    if (user.uid === own) {
      throw new EstratoError("usage", `user ${name}: the image is in ${name}'s own store`, {
        hint: "Name another user.",
      });
    }
    if (user.uid === 0) {
      throw new EstratoError("usage", "user root: the system's libvirt would take the files away from you", {
        hint: "Save the image to a file (estrato image save), and make an image of that file as root.",
      });
    }
    found.push(user);
  }
  return found;
}

/** Throws "conflict" for a shelved one, "host" for one of which not everything can be read by others. */
export async function requireShareable(world: World, state: State, image: Image): Promise<void> {
  const no = (why: string, hint: string) => new EstratoError("host", `image ${image.name}: ${why}`, { hint });
  if (image.type === "shelved") {
    throw new EstratoError("conflict", `image ${image.name}: the shelved instance ${image.source.name} is in it`, {
      hint: `Make an image to share: estrato unshelve ${image.source.name}; estrato image create NAME --from-instance ${image.source.name}.`,
    });
  }
  const copy = `Make one that is all yours: estrato image save ${image.name} --file F; estrato image create NAME --file F.`;
  for (const { layer: top } of image.disks) {
    for (const id of chain(state, top)) {
      const layer = state.layers[id];
      if (layer?.secret !== null)
        throw no("it is encrypted, and its secret is only yours", "Share an image that is not.");
      if (layer.borrowed !== undefined) throw no(`it stands on files of ${layer.borrowed.owner}'s`, copy);
      if (layer.foreign !== null || dirname(layer.file) !== world.store.paths.layersFolder)
        throw no(`it stands on ${layer.file}, which is not in the store`, copy);
    }
  }
  if (image.tpm !== null) {
    throw no(
      "its guest had a TPM, whose secrets are not shared",
      "Share an image that is made of the volume alone: estrato image create NAME --from-volume VOLUME.",
    );
  }
}

/** Folders above the store are not ours to open. */
export async function requireReachable(world: World, user: HostUser | null): Promise<void> {
  const folders = await world.host.blockedFolders(world.store.paths.home, user);
  const [outermost] = folders;
  if (outermost === undefined) return;
  const line = user === null ? "chmod o+x" : `setfacl -m u:${user.name}:x`;
  const why = user === null ? "not everybody may pass through it" : `${user.name} may not pass through it`;
  throw new EstratoError("host", `${outermost}: ${why}, and the store lies below`, {
    hint: `Open the way: ${line} ${folders.join(" ")}.`,
  });
}

/** Throws "conflict", naming who still uses it. */
export async function requireUnused(world: World, image: Image, left: Audience): Promise<void> {
  const users = await usersOf(world, image, left);
  if (users.length === 0) return;
  throw new EstratoError(
    "conflict",
    `image ${image.name}: ${users.join(", ")} still ${users.length === 1 ? "stands" : "stand"} on it`,
    {
      hint: "They delete their instances and volumes of it first.",
    },
  );
}
