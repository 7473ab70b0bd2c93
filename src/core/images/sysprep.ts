/**
 * `image create --sysprep`: the image is not the snapshot's layers but new ones on them, out of which virt-sysprep(1)
 * has taken all by which machines are told apart. What the snapshot holds stays as it is.
 */
import { EstratoError } from "../../errors.ts";
import { imageOf } from "../graph/files.ts";
import { requireRoomInChain } from "../graph/limits.ts";
import { newHeadLayer } from "../layers/record.ts";
import type { Action } from "../model/action.ts";
import type { Image, Layer, State } from "../model/state.ts";
import { FROZEN } from "../modes.ts";
import type { Step } from "../operations/steps.ts";
import type { World } from "../ports.ts";
import { EMPTY_HEAD_BYTES, requireSpace } from "../space.ts";

/** What is rewritten of a system beside what is told of it: logs and caches go, and little comes. */
const SYSPREP_BYTES = 64 * EMPTY_HEAD_BYTES;

/**
 * A new layer for each disk, frozen in the end. Throws "host" where virt-sysprep is not there, a disk is encrypted, the
 * chain is too long or the space too little.
 */
export async function planPrepared(
  world: World,
  state: State,
  name: string,
  disks: Image["disks"],
): Promise<readonly Layer[]> {
  await world.host.requireSysprep();
  const { maxChain } = await world.host.capabilities();
  await requireSpace(world, SYSPREP_BYTES, `image ${name}`);
  return disks.map(({ device, layer, sizeBytes }) => {
    const parent = state.layers[layer];
    const what = `image ${name}: disk ${device}`;
    if (parent === undefined) throw new EstratoError("integrity", `${what}: its layer is not recorded`);
    if (parent.secret !== null) {
      throw new EstratoError("host", `${what}: it is encrypted, and virt-sysprep is not given what opens it`, {
        hint: "Leave out --sysprep, and make the template nobody's: estrato-concepts(7), WHAT A COPY CARRIES.",
      });
    }
    const note = requireRoomInChain(state, layer, maxChain, what);
    if (note !== null) world.report.note(note);
    return { ...newHeadLayer(world, parent, sizeBytes), frozen: true };
  });
}

/** Makes heads of them, has them prepared, and freezes them. The caller holds the locks of all that they stand on. */
export function preparingSteps(state: State, layers: readonly Layer[]): Step[] {
  const heads = layers.map(({ file: path, parent, sizeBytes }): Action => {
    const below = state.layers[parent ?? ""];
    return { do: "create-disk", path, backing: below === undefined ? null : imageOf(below), sizeBytes };
  });
  if (layers.length === 0) return [];
  const paths = layers.map(({ file }) => file);
  return [
    { id: "make-heads", title: "Make heads to prepare", actions: heads },
    {
      id: "prepare",
      title: "Take out what tells machines apart",
      actions: [{ do: "sysprep", disks: paths, mayStop: true }],
    },
    {
      id: "freeze",
      title: "Freeze the heads",
      actions: paths.flatMap((path): Action[] => [
        { do: "sync", path },
        { do: "set-mode", path, mode: FROZEN },
      ]),
    },
  ];
}
