/**
 * The files below a disk that estrato did not make, and the layers that they are: read from the headers, compared with
 * what the definition says, and put into the graph. A file is known by what it is, not by its name (DESIGN.md,
 * invariant 10).
 */
import { dirname } from "node:path";
import { EstratoError } from "../../errors.ts";
import { asRead } from "../model/drafts.ts";
import type { ChainFile, DomainDisk } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
import type { World } from "../ports.ts";
import { newLayer } from "./record.ts";

/** A file of a chain, with all that its layer must know. */
export interface ForeignFile {
  readonly path: string;
  readonly format: "qcow2" | "raw";
  readonly identity: string;
  readonly sizeBytes: number; // virtual
  readonly foreign: NonNullable<Layer["foreign"]>;
}

/** What of a disk's definition says what it stands on. */
export type DiskChain = Pick<DomainDisk, "format" | "backing" | "backingEnds"> & { readonly source: string };

const GONE = "Put it back where it was, or mount the disk that it lies on.";

/**
 * Reads the whole chain of a disk, top first, and changes nothing. `what` begins each message: "instance web1: disk
 * vda". Throws "host" for what is no layer: another format, an encrypted file, one whose bytes lie elsewhere, a file
 * that is missing; "conflict" where the definition and the headers do not say the same, or a format is in no header.
 */
export async function readForeignChain(world: World, disk: DiskChain, what: string): Promise<ForeignFile[]> {
  const chain = await requireChainInHeaders(world, disk, what);
  if (chain.length === 0)
    throw new EstratoError("host", `${what}: ${disk.source} is not there`, {
      hint: GONE,
    });
  const files: ForeignFile[] = [];
  for (const [index, one] of chain.entries()) files.push(await foreignFile(world, one, what, index > 0));
  return files;
}

/**
 * Throws "conflict" unless the headers say all that a disk's <backingStore> does, which whoever redefines a domain
 * leaves out of it. Returns the chain, [] where the disk is not there.
 */
export async function requireChainInHeaders(world: World, disk: DiskChain, what: string): Promise<ChainFile[]> {
  const chain = await world.host.imageChain(disk.source, disk.format);
  if (chain.length === 0) return chain;
  requireNamedFormats(chain, what);
  await requireSameChain(world, disk, chain, what);
  return chain;
}

/**
 * Without a format in the header qemu-img would guess it from what a guest may have written, and libvirt starts the
 * guest only as long as its definition names it (LIBVIRT.md, trap 24).
 */
function requireNamedFormats(chain: readonly ChainFile[], what: string): void {
  const at = chain.findIndex(({ format }) => format === null);
  const [above, below] = [chain[at - 1], chain[at]];
  if (above === undefined || below === undefined) return;
  throw new EstratoError("conflict", `${what}: ${above.path} does not say which format ${below.path} has`, {
    hint: `Stop the instance and write it into the file: qemu-img rebase -u -F FORMAT -b ${below.path} ${above.path}.`,
  });
}

/** libvirt believes a <backingStore>, and we leave it out of what we define: it must say what the headers say. */
async function requireSameChain(world: World, disk: DiskChain, chain: readonly ChainFile[], what: string) {
  const below = chain.slice(1);
  const differs = (why: string) =>
    new EstratoError("conflict", `${what}: its definition's <backingStore> says that ${why}`, {
      hint: "See which is right, and take <backingStore> out of the definition: virsh edit.",
    });
  for (const [index, named] of (disk.backing ?? []).entries()) {
    const found = below[index];
    const standing = chain[index]?.path ?? disk.source;
    if (found === undefined) throw differs(`${standing} stands on ${named.path}, and its header says on nothing`);
    const same = named.path === found.path || (await identityAt(world, named.path)) === found.identity;
    if (!same) throw differs(`${standing} stands on ${named.path ?? "another"}, and its header says on ${found.path}`);
    if (named.format !== null && named.format !== found.format)
      throw differs(`${found.path} has the format ${named.format}, and the header above it says ${found.format}`);
  }
  const unnamed = below[disk.backing?.length ?? 0];
  if (disk.backingEnds && unnamed !== undefined)
    throw differs(`nothing more is below, and the headers lead to ${unnamed.path}`);
}

async function identityAt(world: World, path: string | null): Promise<string | null> {
  return path === null ? null : ((await world.host.fileInfo(path))?.identity ?? null);
}

async function foreignFile(world: World, one: ChainFile, what: string, isBelow: boolean): Promise<ForeignFile> {
  const { path, format, identity } = one;
  const refuse = (why: string, hint = `See what it is: qemu-img info ${path}.`) =>
    new EstratoError("host", `${what}: ${path} ${why}`, { hint });
  if (identity === null) throw refuse(path.startsWith("/") ? "is not there" : "is no file of this host", GONE);
  if (format !== "qcow2" && format !== "raw")
    throw refuse(`has the format ${format}; only qcow2 and raw can be layered`);
  if (one.encrypted) throw refuse("is encrypted, and the definition names no secret for it");
  if (one.fault !== null) throw refuse(one.fault);
  if (isBelow) await requireUnwritten(world, path, format, what);
  const [info, file] = await Promise.all([
    world.host.imageInfo(path, { shared: true, format }),
    world.host.fileInfo(path),
  ]);
  if (info === null || file === null) throw refuse("is not there", GONE);
  const { uid, gid, mode } = file;
  return {
    path,
    format,
    identity,
    sizeBytes: info.virtualSizeBytes,
    foreign: { uid, gid, mode, template: file.isOurs ? "held" : "others" },
  };
}

/** Throws "conflict" where a guest, or another program, writes a file that a disk stands on. */
export async function requireUnwritten(world: World, path: string, format: string, what: string): Promise<void> {
  try {
    await world.host.imageInfo(path, { shared: false, format });
  } catch (error) {
    if (!(error instanceof EstratoError) || error.code !== "conflict") throw error;
    throw new EstratoError("conflict", `${what}: it stands on ${path}, which is being written`, {
      hint: "Stop the guest whose disk that is: all that stands on the file changes with it.",
      cause: error,
    });
  }
}

/** By identity: the layers whose file it is. What is borrowed is left out: several layers may stand for it. */
export async function layersByFile(world: World, state: State): Promise<Map<string, string>> {
  const known = new Map<string, string>();
  for (const { id, file, borrowed } of Object.values(state.layers)) {
    if (borrowed !== undefined) continue;
    const identity = await identityAt(world, file);
    if (identity !== null) known.set(identity, id);
  }
  return known;
}

/**
 * Puts a chain into a draft of the state, from the bottom up, and returns the layer that its top is. A file that is a
 * layer already is that layer, and what is below it is what the record says; what is new is foreign. All below the top
 * is frozen, and foreign files there are templates from now on. Also for what another tool has put on a layer of ours:
 * `mayFreeze` names the head that it was put on, which is frozen then; every other head is refused.
 *
 * `known`: as layersByFile says, of the same state; gets what is new. Throws "conflict" where the chain stands on what
 * somebody writes, on a file of ours that is not recorded, or on a layer that is being merged.
 */
export function takeInChain(
  world: World,
  draft: State,
  files: readonly ForeignFile[],
  known: Map<string, string>,
  what: string,
  mayFreeze: string | null = null,
): Layer {
  const refuse = (why: string, hint: string) => new EstratoError("conflict", `${what}: ${why}`, { hint });
  let below: Layer | null = null;
  for (const [index, file] of [...unrecorded(draft, files, known).entries()].reverse()) {
    const isTop = index === 0;
    let layer: Layer | undefined = draft.layers[known.get(file.identity) ?? ""];
    if (layer === undefined) {
      if (dirname(file.path) === world.store.paths.layersFolder)
        throw refuse(`${file.path} lies in this store, which does not remember it`, 'See "estrato doctor".');
      layer = foreignLayer(world, file, below, isTop);
      draft.layers[layer.id] = layer;
      known.set(file.identity, layer.id);
    } else {
      if (layer.busy !== null)
        throw refuse(`${file.path} is being merged (${layer.busy})`, "Try again when the merge has ended.");
      // Of before whole chains were taken in.
      if (layer.foreign !== null && layer.parent === null && below !== null) layer.parent = below.id;
      if (!isTop) freezeBelow(draft, layer, file, mayFreeze, refuse);
    }
    below = layer;
  }
  if (below === null) throw new EstratoError("failed", `${what}: a chain without files`);
  return below;
}

/** Down to the first that is recorded, with all that it stands on. */
function unrecorded(draft: State, files: readonly ForeignFile[], known: ReadonlyMap<string, string>) {
  const last = files.findIndex(({ identity }) => {
    const layer = draft.layers[known.get(identity) ?? ""];
    return layer !== undefined && (layer.foreign === null || layer.parent !== null);
  });
  return last < 0 ? files : files.slice(0, last + 1);
}

type Refuse = (why: string, hint: string) => EstratoError;

function freezeBelow(draft: State, layer: Layer, file: ForeignFile, mayFreeze: string | null, refuse: Refuse): void {
  const writer = Object.values(asRead(draft.volumes)).find(({ head }) => head === layer.id);
  if (layer.foreign !== null) {
    layer.foreign.template ??= file.foreign.template;
    layer.frozen = true;
  } else if (layer.id === mayFreeze) layer.frozen = true;
  else if (!layer.frozen) {
    const whose = writer?.instance == null ? "a volume" : `instance ${draft.instances[writer.instance]?.name}`;
    throw refuse(`it stands on ${layer.file}, which ${whose} writes`, "Take a snapshot of that one first.");
  }
}

function foreignLayer(world: World, file: ForeignFile, below: Layer | null, isTop: boolean): Layer {
  const { uid, gid, mode, template } = file.foreign;
  return {
    ...newLayer(world, { sizeBytes: file.sizeBytes, frozen: !isTop, secret: null }),
    parent: below?.id ?? null,
    file: file.path,
    format: file.format,
    foreign: { uid, gid, mode, ...(isTop || template === undefined ? {} : { template }) },
  };
}
