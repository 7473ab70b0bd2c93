/**
 * Which files domains, folders and other stores name: by a definition, and by the headers of what that names. The one
 * list of them, for all who ask before a file is moved, taken in or removed; read without a process.
 */
import { EstratoError } from "../errors.ts";
import { severalAtOnce } from "../several-at-once.ts";
import { volumesOf } from "./instances/volumes-of.ts";
import {
  type ChainFile,
  DATA_ELSEWHERE,
  type DomainDefinition,
  type DomainDisk,
  type DomainStatus,
} from "./model/host.ts";
import type { State } from "./model/state.ts";
import type { World } from "./ports.ts";
import { storesOfUsers } from "./sharing/find.ts";

/** Files that stand on each other, and who names them. */
export interface NamedChain {
  /** The disk's own file, or the one in the folder. */
  readonly top: string;
  /** In words: "vda" of a domain; the file itself. */
  readonly disk: string;
  /** Null: it cannot be read, and may stand on anything (DESIGN.md, invariant 14). */
  readonly files: readonly ChainFile[] | null;
}

export function definitionsOf({ inactive, live }: DomainStatus): DomainDefinition[] {
  return live === null ? [inactive] : [inactive, live];
}

/** The paths that its definitions name as disks, below disks, and as NVRAM. */
export function pathsNamedBy(status: DomainStatus): string[] {
  return definitionsOf(status)
    .flatMap(({ disks, nvram }) => [
      ...disks.flatMap(({ source, backing }) => [source, ...(backing ?? []).map(({ path }) => path)]),
      nvram,
    ])
    .filter((path) => path !== null);
}

/** Reads chains for one look: a file is read once in it, however much stands on it. */
export type ChainReader = (path: string, format: string, isImage?: boolean) => Promise<readonly ChainFile[] | null>;

/**
 * Of one look at the host. A chain is top first; [] where it is not there, or no image where it need not be one; null
 * where it cannot be read, or is not what it should be.
 */
export function chainReader(world: World): ChainReader {
  const read = new Map<string, readonly ChainFile[]>();
  const key = (path: string, format: string | null) => `${format} ${path}`;
  return async (path, format, isImage = true) => {
    try {
      const files = await world.host.imageChain(path, format, (below, as) => read.get(key(below, as)));
      for (const [index, file] of files.entries())
        if (file.identity !== null) read.set(key(file.path, file.format), files.slice(index));
      for (const file of files) {
        if (file.fault === null || file.fault === DATA_ELSEWHERE) continue;
        if (!isImage && file === files[0]) return [];
        // A file that was just begun holds nothing yet, and names nothing.
        if ((await world.host.fileInfo(file.path))?.sizeBytes !== 0) return null;
      }
      return files;
    } catch (error) {
      if (error instanceof EstratoError && error.code !== "interrupted") return null;
      throw error;
    }
  };
}

/** What these disks are, and all that they stand on, by the definition and by the headers. */
export async function chainsOfDisks(read: ChainReader, disks: readonly DomainDisk[]): Promise<NamedChain[]> {
  const chains: NamedChain[] = [];
  for (const { device, source, format, backing } of disks) {
    const named = (backing ?? []).map((one) => ({ path: one.path, format: one.format ?? "raw" }));
    for (const { path, format: as } of [{ path: source, format }, ...named]) {
      if (path !== null) chains.push({ top: path, disk: device, files: await read(path, as) });
    }
  }
  return chains;
}

/** All disks that a domain's definitions name but what the state says of its volumes, and its seed that we wrote. */
export function strangeDisks(state: State, status: DomainStatus): DomainDisk[] {
  const volumes = volumesOf(state, status.uuid);
  const own = new Map([...volumes].map(([device, { head }]) => [device, state.layers[head]?.file]));
  const seed = state.instances[status.uuid]?.seed;
  return definitionsOf(status)
    .flatMap(({ disks }) => disks)
    .filter(({ device, source }) => source !== null && source !== seed && own.get(device) !== source);
}

/**
 * What the images in a folder stand on, without themselves; but `except`, by path. Of another name than *.qcow2 is what
 * others put there: virsh calls an overlay lay-….SNAPSHOT.
 */
export async function chainsInFolder(
  world: World,
  folder: string,
  except: ReadonlySet<string> = new Set(),
  read: ChainReader = chainReader(world),
): Promise<NamedChain[]> {
  const tops = (await world.host.listFolder(folder)).map((name) => `${folder}/${name}`);
  const chains = await severalAtOnce(
    tops.filter((top) => !except.has(top)),
    async (top): Promise<NamedChain[]> => {
      const isImage = top.endsWith(".qcow2");
      if (!isImage && !(await world.host.fileInfo(top))?.isRegularFile) return [];
      const files = await read(top, "qcow2", isImage);
      return [{ top, disk: top, files: files?.slice(1) ?? null }];
    },
  );
  return chains.flat();
}

/**
 * What the layers of the other stores that this host knows stand on. Of theirs only what may be read is seen, and what
 * cannot be read keeps us from nothing: else anybody could fill our disks with a broken file in a store of his own.
 */
export async function chainsInOtherStores(world: World, read: ChainReader): Promise<NamedChain[]> {
  const chains: NamedChain[] = [];
  for (const home of await storesOfUsers(world)) {
    const names = await world.host.listFolder(`${home}/layers`).catch(() => []);
    const found = await severalAtOnce(names, async (name) => {
      const top = `${home}/layers/${name}`;
      const files = name.endsWith(".qcow2") ? await read(top, "qcow2") : [];
      return files === null ? [] : [{ top, disk: top, files: files.slice(1) }];
    });
    chains.push(...found.flat());
  }
  return chains;
}
