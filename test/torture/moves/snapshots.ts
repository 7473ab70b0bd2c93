/** The verbs of snapshots. */

import type { Snapshot } from "../../../src/core/model/state.ts";
import type { Content } from "../content.ts";
import { type Move, verb } from "../deed.ts";
import type { Effect } from "../effect.ts";
import type { Scene } from "../scene.ts";

const create: Move = {
  name: "snapshot create",
  weight: 20,
  plan(scene, dice) {
    const name = scene.name("s");
    const adds = [{ kind: "snapshot", name }] as const;
    if (dice.chance(20)) {
      const volume = scene.volume(dice, () => true);
      if (volume === undefined) return null;
      return verb(["snapshot", "create", "--volume", scene.volumeName(volume), name], { adds });
    }
    const strange = dice.chance(15) ? dice.pick([...scene.model.strangers.values()]) : undefined;
    const one = strange?.name ?? scene.instance(dice)?.[1];
    if (one === undefined) return null;
    const runs = scene.running.has(scene.idOf(one) ?? "");
    const memory = runs && dice.chance(40) ? ["--memory"] : null;
    const how = memory ?? (dice.chance(10) ? ["--exclude-disk", "vdb"] : []);
    return verb(["snapshot", "create", one, name, ...how], {
      adds,
      ...(strange === undefined ? {} : { instance: strange.name }),
    });
  },
};

const remove: Move = {
  name: "snapshot delete",
  weight: 14,
  plan(scene, dice) {
    const one = scene.snapshot(dice);
    if (one === undefined) return null;
    if (dice.chance(80)) return verb(["snapshot", "delete", scene.snapshotName(one)], { removes: [one.id] });
    const all = Object.values(scene.model.state.snapshots);
    const removes = [one.id];
    for (const id of removes) removes.push(...all.filter(({ parent }) => parent === id).map((child) => child.id));
    return verb(["snapshot", "delete", scene.snapshotName(one), "--children", "-y"], {
      removes: [one.id],
      mayRemove: removes,
    });
  },
};

function back(scene: Scene, to: Snapshot): Pick<Effect, "writes"> {
  const disks = scene.model.things.get(to.id)?.disks ?? new Map<string, Content>();
  return { writes: new Map([...disks].filter(([volume]) => scene.model.things.has(volume))) };
}

const revert: Move = {
  name: "snapshot revert",
  weight: 10,
  plan(scene, dice) {
    const one = scene.snapshot(dice);
    if (one === undefined) return null;
    const words = ["snapshot", "revert", scene.snapshotName(one)];
    if (dice.chance(60)) return verb(words, { ...back(scene, one), automatic: true });
    return verb([...words, "--discard", "-y"], back(scene, one));
  },
};

const unrevert: Move = {
  name: "snapshot unrevert",
  weight: 4,
  plan(scene, dice) {
    const { instances, snapshots } = scene.model.state;
    const one = scene.instance(dice, (id) => instances[id]?.undo != null);
    const to = snapshots[instances[one?.[0] ?? ""]?.undo ?? ""];
    if (one === undefined || to === undefined) return null;
    return verb(["snapshot", "unrevert", one[1]], { ...back(scene, to), automatic: true, mayRemove: [to.id] });
  },
};

const prune: Move = {
  name: "snapshot prune",
  weight: 1,
  plan: () => verb(["snapshot", "prune"], {}),
};

export const snapshotMoves: readonly Move[] = [create, remove, revert, unrevert, prune];
