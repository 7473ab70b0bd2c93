/** The verbs of volumes. */
import { blank, type Content, grownTo, MIB_CELLS } from "../content.ts";
import { type Move, verb } from "../deed.ts";

const MOST_FREE = 5;
const MOST_MIB = 16;

const create: Move = {
  name: "volume create",
  weight: 6,
  plan(scene, dice) {
    if (Object.values(scene.model.state.volumes).filter(({ instance }) => instance === null).length >= MOST_FREE)
      return null;
    const name = scene.name("v");
    const adds = [{ kind: "volume", name }] as const;
    const words = ["volume", "create", name];
    const mib = 1 + dice.below(8);
    const how = dice.below(3);
    if (how === 0) {
      const locked = dice.chance(30) ? ["--encrypt", "--passphrase-file", scene.ground.key] : [];
      return verb([...words, "--size", `${mib}M`, ...locked], { adds, made: new Map([["free", blank(mib)]]) });
    }
    let from: [words: string[], content: Content] | null = null;
    if (how === 1) {
      const one = scene.snapshot(dice);
      const disk = dice.pick(one?.disks ?? []);
      const content = scene.model.things.get(one?.id ?? "")?.disks.get(disk?.volume ?? "");
      if (one === undefined || disk === undefined || content === undefined) return null;
      from = [["--from-snapshot", scene.snapshotName(one), "--disk", disk.device], content];
    } else {
      const one = scene.thing("image", dice);
      const [device, content] = dice.pick([...(one?.disks ?? [])].sort()) ?? [];
      if (one === undefined || device === undefined || content === undefined) return null;
      from = [["--from-image", one.name ?? "", "--disk", device], content];
    }
    const larger = dice.chance(30) ? Math.ceil(from[1].length / MIB_CELLS) + 1 + dice.below(3) : 0;
    const size = larger > 0 ? ["--size", `${larger}M`] : [];
    const made = new Map([["free", grownTo(from[1], larger * MIB_CELLS)]]);
    return verb([...words, ...from[0], ...size], { adds, made });
  },
};

const attach: Move = {
  name: "volume attach",
  weight: 7,
  plan(scene, dice) {
    const volume = scene.volume(dice, ({ instance }) => instance === null);
    const one = scene.instance(dice);
    if (volume === undefined || one === undefined) return null;
    return verb(["volume", "attach", one[1], scene.volumeName(volume)], {});
  },
};

const detach: Move = {
  name: "volume detach",
  weight: 4,
  plan(scene, dice) {
    const volume = scene.volume(dice, ({ instance }) => instance !== null);
    const one = scene.model.instances.get(volume?.instance ?? "");
    if (volume === undefined || one === undefined) return null;
    if (scene.running.has(volume.instance ?? "")) scene.asked.add(volume.instance ?? "");
    return verb(["volume", "detach", one, scene.volumeName(volume), "--timeout", "2s"], {});
  },
};

const resize: Move = {
  name: "volume resize",
  weight: 4,
  plan(scene, dice) {
    const volume = scene.volume(dice, () => true);
    if (volume === undefined) return null;
    const before = scene.model.held(volume.id);
    const mib = Math.min(MOST_MIB, Math.ceil(before.length / MIB_CELLS) + 1 + dice.below(2));
    return verb(["volume", "resize", scene.volumeName(volume), `${mib}M`], {
      writes: new Map([[volume.id, grownTo(before, mib * MIB_CELLS)]]),
    });
  },
};

const remove: Move = {
  name: "volume delete",
  weight: 5,
  plan(scene, dice) {
    const volume = scene.volume(dice, ({ instance }) => instance === null || dice.chance(5));
    if (volume === undefined) return null;
    return verb(["volume", "delete", scene.volumeName(volume), "-y"], { removes: [volume.id] });
  },
};

export const volumeMoves: readonly Move[] = [create, attach, detach, resize, remove];
