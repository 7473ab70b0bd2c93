/** Files that killed commands were writing in our folders, under hidden names. */
import type { HiddenFile } from "./model/host.ts";
import { perform } from "./operations/steps.ts";
import type { World } from "./ports.ts";

/** The hidden files in the folders of the store: a layer, a seed (which holds keys), a copy of a firmware state. */
export async function hiddenInStore(world: World): Promise<HiddenFile[]> {
  const { paths } = world.store;
  const named = [paths.seed("x"), paths.nvram("x"), paths.memory("x")].map((path) => path.replace(/\/[^/]*$/, ""));
  const folders = [paths.layersFolder, ...named, paths.sharesFolder];
  return (await Promise.all(folders.map((folder) => world.host.hiddenFiles(folder)))).flat();
}

type Writer = HiddenFile["writer"];

/**
 * Removes what no living process writes. Nothing names such a file: it gets its name when it is whole. What cannot be
 * removed keeps nobody from his work; doctor names it.
 */
export async function clearAbandoned(world: World, writers: readonly Writer[] = ["dead", "expired"]): Promise<void> {
  const left = (await hiddenInStore(world).catch(() => [])).filter(({ writer }) => writers.includes(writer));
  const none = { names: [], fds: [], release: async () => undefined };
  for (const { path } of left) await perform(world, none, [{ do: "unlink", path }]).catch(() => undefined);
}
