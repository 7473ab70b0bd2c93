/** Finds what lies on a volume's recorded head and was put there by another tool. */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { chainBelow } from "../files-under.ts";
import { filesInUse } from "../in-use.ts";
import { foreignOwner } from "../instances/adopt.ts";
import { volumesOf } from "../instances/volumes-of.ts";
import type { DomainStatus } from "../model/host.ts";
import type { Layer, State, Volume } from "../model/state.ts";
import type { World } from "../ports.ts";
import { type HeadFacts, headFacts, refuseUnsafe } from "../truth.ts";

export interface OverlayFile {
  readonly path: string;
  readonly sizeBytes: number;
  /** Null where it lies among our own layers, which nobody else has a use for. */
  readonly foreign: Layer["foreign"];
}

export interface Overlays {
  readonly volume: Volume;
  readonly device: string;
  readonly paths: readonly string[]; // bottom first; the last one is what the guest writes to
  readonly files: readonly OverlayFile[]; // the same; [] where they are refused
  /** Why they cannot become layers; null where they can. */
  readonly refusal: EstratoError | null;
}

/** Does a definition of libvirt's name another file than the recorded head of a volume? Asks nobody. */
export function namesOtherFiles(state: State, status: DomainStatus): boolean {
  return [...volumesOf(state, status.uuid)].some(([device, { head }]) =>
    [status.inactive, status.live].some((definition) => {
      const disk = definition?.disks.find((one) => one.device === device);
      return disk !== undefined && disk.source !== state.layers[head]?.file;
    }),
  );
}

/**
 * Each volume of an instance whose guest writes (or, off, would write) to a file that stands on the recorded head. QEMU
 * and both definitions must agree that it does; where they don't, only `doctor` can say more. `facts`: where the
 * witnesses have been asked already.
 */
export async function overlaysOf(
  world: World,
  state: State,
  status: DomainStatus,
  facts?: readonly HeadFacts[],
): Promise<Overlays[]> {
  if (!namesOtherFiles(state, status)) return [];
  const found: Overlays[] = [];
  // What an operation that has not ended is putting there is ours, and recovery's to end.
  const underWay = (await world.store.journal.list()).map(({ data }) => JSON.stringify(data));
  for (const fact of facts ?? (await headFacts(world, state, status))) {
    const paths = await pathsAbove(world, status, fact);
    if (paths === null || paths.some((path) => underWay.some((text) => text.includes(JSON.stringify(path))))) continue;
    const { volume, device } = fact;
    try {
      found.push({ volume, device, paths, files: await acceptable(world, state, status, fact, paths), refusal: null });
    } catch (error) {
      if (!(error instanceof EstratoError)) throw error;
      found.push({ volume, device, paths, files: [], refusal: error });
    }
  }
  return found;
}

/** What lies on the recorded head, bottom first; null where nothing does, or where the witnesses differ. */
async function pathsAbove(world: World, status: DomainStatus, fact: HeadFacts): Promise<string[] | null> {
  const top = status.live === null ? fact.persistent : fact.qemu;
  if (top === null || top === fact.recorded) return null;
  if (status.live !== null && fact.live !== fact.qemu) return null;
  const chain = status.live === null ? await chainBelow(world, top) : fact.qemuChain;
  const at = chain.indexOf(fact.recorded);
  if (at < 0 || fact.persistent === null || !chain.slice(0, at + 1).includes(fact.persistent)) return null;
  return chain.slice(0, at).reverse();
}

async function header(world: World, path: string) {
  try {
    return await world.host.imageInfo(path, { shared: true, format: "qcow2" });
  } catch (error) {
    // No qcow2 file: it stands on nothing.
    if (error instanceof EstratoError && error.code !== "interrupted") return null;
    throw error;
  }
}

async function acceptable(
  world: World,
  state: State,
  status: DomainStatus,
  { volume, device }: HeadFacts,
  paths: readonly string[],
): Promise<OverlayFile[]> {
  refuseUnsafe(status);
  const head = state.layers[volume.head];
  const refuse = (path: string, why: string): never => {
    throw new EstratoError("conflict", `instance ${status.name}: ${device}: another tool put ${path} on it: ${why}`, {
      hint: `Let that tool take it away again, or merge it: virsh blockcommit ${status.name} ${device} --base ${head?.file} --active --pivot.`,
    });
  };
  const [first = ""] = paths;
  if (head?.busy != null) refuse(first, `what it lies on is being merged (${head.busy})`);
  const inUse = await filesInUse(world, state);
  const files: OverlayFile[] = [];
  for (const path of paths) {
    const [info, file] = await Promise.all([header(world, path), world.host.fileInfo(path)]);
    if (info === null || file === null) return refuse(path, "it cannot be read");
    if (!file.isRegularFile) refuse(path, "it is no regular file");
    if (head?.secret !== null || info.encrypted) refuse(path, "what is encrypted cannot be taken in");
    if (info.virtualSizeBytes < (head?.sizeBytes ?? 0)) refuse(path, "it is smaller");
    if (Object.values(state.layers).some((layer) => layer.file === path))
      refuse(path, "it is a layer of something else");
    const other = (await inUse.outsiders(path)).find(({ by, id }) => by === "domain" && id !== status.uuid);
    if (other !== undefined) refuse(path, `${other.name} uses it too`);
    const isOurs = dirname(path) === world.store.paths.layersFolder;
    const foreign = isOurs ? null : { ...(await foreignOwner(world, status, file)), mode: file.mode };
    files.push({ path, sizeBytes: info.virtualSizeBytes, foreign });
  }
  return files;
}
