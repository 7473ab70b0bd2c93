/**
 * Who uses a shared image, as the kernel says it: the names of folders and the owners of files. Their content is never
 * read.
 */
import type { Image } from "../model/state.ts";
import type { World } from "../ports.ts";
import { type Audience, audienceOf } from "./access.ts";
import { usesFolder } from "./catalogue.ts";

/** Of `audience` (all, where left out): "bob (2 disks)", each user once. */
export async function usersOf(world: World, image: Image, audience: Audience = audienceOf(image)): Promise<string[]> {
  const folder = usesFolder(world.store.paths, image.id);
  const counts = new Map<string, number>();
  const add = (name: string) => counts.set(name, (counts.get(name) ?? 0) + 1);
  for (const { name, uid } of audience.users) {
    const marks = await world.host.listFolder(`${folder}/${uid}`);
    for (const _ of marks) add(name);
  }
  if (audience.everybody) {
    for (const mark of await world.host.listFolder(`${folder}/public`)) {
      const owner = (await world.host.fileInfo(`${folder}/public/${mark}`))?.uid;
      if (owner !== undefined) add((await world.host.users(String(owner)))[0]?.name ?? `user ${owner}`);
    }
  }
  return [...counts].map(([name, count]) => `${name} (${count} ${count === 1 ? "disk" : "disks"})`);
}
