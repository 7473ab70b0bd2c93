/** What the borrower makes of images that he is lent, and does with it. */
import type { Image } from "../../../src/core/model/state.ts";
import { BORROWER } from "../borrower.ts";
import { randomWrites, written } from "../content.ts";
import { type Deed, type Move, verb } from "../deed.ts";
import type { Dice } from "../dice.ts";
import { writeFile } from "../domains.ts";
import type { Thing } from "../model.ts";
import type { Scene } from "../scene.ts";
import { backupMoves } from "./backups.ts";
import { inOrder, SMALL } from "./instances.ts";
import { snapshotMoves } from "./snapshots.ts";
import { volumeMoves } from "./volumes.ts";

const MOST_THINGS = 8;

/** Is anything of his made of this image, and stands on it? */
export const borrows = ({ borrower }: Scene, image: string): boolean =>
  Object.values(borrower?.model.state.layers ?? {}).some(({ borrowed }) => borrowed?.image === image);

/** One that the lender shares with him. */
function lent({ model }: Scene, dice: Dice): { image: Image; thing: Thing } | null {
  const isLent = ({ visibility, sharedWith = [] }: Image) =>
    visibility === "public" || sharedWith.some(({ name }) => name === BORROWER);
  const all = Object.values(model.state.images).filter(isLent);
  const image = dice.pick(all.sort((a, b) => (a.name < b.name ? -1 : 1)));
  const thing = model.things.get(image?.id ?? "");
  return image === undefined || thing === undefined ? null : { image, thing };
}

/** The lender's scene throws what he makes of it. */
function borrow(lender: Scene, scene: Scene, dice: Dice): Deed | null {
  const found = lent(lender, dice);
  if (found === null || scene.model.of("volume").length >= MOST_THINGS) return null;
  const { image, thing } = found;
  if (dice.chance(50)) {
    const name = scene.name("w");
    const made = inOrder(image.disks.map(({ device }) => thing.disks.get(device) as Uint8Array));
    return verb(["instance", "create", name, "--image", image.id, ...SMALL, "--no-start"], { instance: name, made });
  }
  const [device, content] = dice.pick([...thing.disks].sort()) ?? [];
  if (device === undefined || content === undefined) return null;
  const name = scene.name("v");
  return verb(["volume", "create", name, "--from-image", image.id, "--disk", device], {
    adds: [{ kind: "volume", name }],
    made: new Map([["free", content]]),
  });
}

const write: Move = {
  name: "write",
  weight: 12,
  plan(scene, dice) {
    const { model } = scene;
    const volume = scene.volume(dice, () => true);
    const head = model.state.layers[volume?.head ?? ""];
    if (volume === undefined || head === undefined) return null;
    const writes = randomWrites(dice, model.held(volume.id).length);
    const act = async () => {
      await writeFile(head, writes, scene.ground.folder);
      model.write(volume.id, written(model.held(volume.id), writes));
      return [];
    };
    return { act, text: `# ${scene.volumeName(volume)} is written to`, effect: {}, whole: true };
  },
};

const deleteInstance: Move = {
  name: "instance delete",
  weight: 5,
  plan(scene, dice) {
    const one = scene.instance(dice);
    if (one === undefined) return null;
    const { snapshots, volumes } = scene.model.state;
    const gone = [
      ...Object.values(snapshots).filter(({ instance }) => instance === one[0]),
      ...Object.values(volumes).filter(({ instance, deleteWithInstance }) => instance === one[0] && deleteWithInstance),
    ].map(({ id }) => id);
    const words = ["instance", "delete", one[1], "-y"];
    if (gone.some((id) => scene.model.said.isProtected(id))) return verb(words, {}, { mustRefuse: 5 });
    return verb(words, { removes: [one[0], ...gone] });
  },
};

const own: readonly Move[] = [...volumeMoves, ...snapshotMoves, ...backupMoves, write, deleteInstance];

/** What he does next. Null where there is nothing. */
export async function borrowersDeed(lender: Scene, scene: Scene, dice: Dice): Promise<Deed | null> {
  for (let attempt = 0; attempt < 8; attempt += 1) {
    const deed = dice.chance(35)
      ? borrow(lender, scene, dice)
      : scene.model.things.size === 0
        ? null
        : await dice.weighed(own).plan(scene, dice);
    if (deed !== null) return deed;
  }
  return null;
}
