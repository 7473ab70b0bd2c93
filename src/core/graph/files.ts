/**
 * A layer in the words of the host: the only place that says how an encrypted one is opened, so that nobody can forget
 * it. All layers of a chain have one secret: a volume is encrypted from its first layer on.
 */
import type { DiskFile, ImageFile } from "../model/host.ts";
import type { Layer, State } from "../model/state.ts";
import { isBorrowedBackup } from "./borrowed.ts";
import { chain } from "./references.ts";

/** The secret of a layer, as an action's field; nothing where it is plain. */
export function secretOf({ secret }: Pick<Layer, "secret">): { readonly secret?: string } {
  return secret === null ? {} : { secret };
}

/** A layer's own file, for qemu-img. */
export function imageOf(layer: Pick<Layer, "file" | "format" | "secret">): ImageFile {
  return { path: layer.file, format: layer.format, ...secretOf(layer) };
}

/**
 * A layer as the file of a disk, with the chain that its definition must name where it is encrypted. It may be one that
 * the state does not hold yet.
 */
export function diskFileOf(state: State, layer: Layer): DiskFile {
  const { file: path, format, secret, parent } = layer;
  if (secret === null) return { path, format };
  const below = parent === null ? [] : chain(state, parent);
  const backing = below.flatMap((id) => {
    const one = state.layers[id];
    if (one === undefined) return [];
    const files = isBorrowedBackup(one) ? one.borrowed.backup.files : [one.file];
    return files.map((file) => ({ path: file, format: one.format }));
  });
  return { path, format, encryption: { secret, backing } };
}
