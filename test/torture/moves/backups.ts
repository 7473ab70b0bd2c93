/** The verbs of backups. */
import { type Move, verb } from "../deed.ts";
import type { Scene } from "../scene.ts";

const MOST_BACKUPS = 14;

/**
 * What a rotation to that many removes: of this instance in that target, the oldest first. One of other volumes than
 * the instance has today may be the last of them, and stays; a protected one stays, and does not count.
 */
function rotated(scene: Scene, instance: string, target: string, keep: number) {
  const { said } = scene.model;
  const all = scene.model
    .of("backup")
    .filter((one) => one.of === instance && one.target === target && !said.isProtected(one.id));
  const ids = all.map(({ id }) => id);
  const attached = Object.values(scene.model.state.volumes).filter((volume) => volume.instance === instance);
  const today = wordsOf(attached.map(({ id }) => id));
  const isOfOthers = all.some(({ volumes = new Map<string, string>() }) => wordsOf([...volumes.values()]) !== today);
  if (scene.model.jumped || isOfOthers) return { mayRemove: ids };
  return { removes: ids.slice(0, Math.max(0, ids.length - keep)) };
}

const wordsOf = (ids: readonly string[]) => [...ids].sort().join(" ");

const keyOf = ({ ground }: Scene) => ["--passphrase-file", ground.key];

const create: Move = {
  name: "backup create",
  weight: 12,
  plan(scene, dice) {
    const one = scene.instance(dice);
    if (one === undefined || (scene.model.of("backup").length >= MOST_BACKUPS && dice.chance(80))) return null;
    const name = scene.name("b");
    const target = scene.target(dice);
    const keep = 1 + dice.below(4);
    const packs = dice.chance(20) ? ["--compress"] : [];
    const locks = dice.chance(30) || scene.isLockedInstance(one[0]);
    const how = [...(dice.chance(70) ? ["--incremental"] : []), ...(locks ? ["--encrypt", ...keyOf(scene)] : packs)];
    return verb(["backup", "create", one[1], "--name", name, "--target", target, "--rotation", `${keep}`, ...how], {
      adds: [{ kind: "backup", name }],
      made: scene.model.contentsOf(one[0]),
      volumes: new Map(scene.model.volumesOf(one[0])),
      ...rotated(scene, one[0], target, keep - 1),
    });
  },
};

const remove: Move = {
  name: "backup delete",
  weight: 4,
  plan(scene, dice) {
    const one = scene.thing("backup", dice);
    if (one === undefined) return null;
    const { said, away } = scene.model;
    if (said.isProtected(one.id) && !away.has(one.target ?? ""))
      return verb(["backup", "delete", one.id, "--target", one.target ?? "", "-y"], {}, { mustRefuse: 5 });
    const opened = dice.chance(80) ? keyOf(scene) : []; // without it what builds on an encrypted one is refused
    return verb(["backup", "delete", one.id, "--target", one.target ?? "", ...opened, "-y"], { removes: [one.id] });
  },
};

const protection = (how: "protect" | "unprotect"): Move => ({
  name: `backup ${how}`,
  weight: how === "protect" ? 2 : 3,
  plan(scene, dice) {
    const guards = how === "protect";
    const one = scene.thing("backup", dice, ({ id }) => scene.model.said.isProtected(id) !== guards);
    if (one === undefined) return null;
    return verb(["backup", how, one.id, "--target", one.target ?? ""], {
      says: new Map([[one.id, { protected: guards }]]),
    });
  },
});

const prune: Move = {
  name: "backup prune",
  weight: 2,
  plan(scene, dice) {
    const one = scene.instance(dice);
    if (one === undefined) return null;
    const target = scene.target(dice);
    const keep = 1 + dice.below(3);
    return verb(
      ["backup", "prune", one[1], "--target", target, "--rotation", `${keep}`],
      rotated(scene, one[0], target, keep),
    );
  },
};

const restore: Move = {
  name: "backup restore",
  weight: 6,
  plan(scene, dice) {
    const one = scene.thing("backup", dice);
    if (one === undefined) return null;
    const words = ["backup", "restore", one.id, "--target", one.target ?? "", ...keyOf(scene)];
    const how = dice.below(3);
    if (how === 0) {
      if (scene.model.instances.size >= 6) return null;
      const name = scene.name("w");
      return verb([...words, "--instance", name, "--no-start", "--network", "none"], {
        instance: name,
        made: new Map(one.disks),
      });
    }
    if (how === 1) {
      const [device, content] = dice.pick([...one.disks].sort()) ?? [];
      if (device === undefined || content === undefined) return null;
      const name = scene.name("v");
      return verb([...words, "--volume", name, "--disk", device], {
        adds: [{ kind: "volume", name }],
        made: new Map([["free", content]]),
      });
    }
    const writes = new Map(
      [...(one.volumes ?? [])].flatMap(([device, volume]) => {
        const content = one.disks.get(device);
        return content === undefined || scene.model.state.volumes[volume]?.instance !== one.of
          ? []
          : [[volume, content]];
      }),
    );
    return verb([...words, "--in-place", "-y"], { writes, automatic: true });
  },
};

const verify: Move = {
  name: "backup verify",
  weight: 2,
  plan(scene, dice) {
    const target = scene.target(dice);
    return verb(["backup", "verify", "--all", "--target", target], {});
  },
};

export const backupMoves: readonly Move[] = [
  create,
  remove,
  protection("protect"),
  protection("unprotect"),
  prune,
  restore,
  verify,
];
