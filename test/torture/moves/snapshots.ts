/** The verbs of snapshots. */

import type { Snapshot } from "../../../src/core/model/state.ts";
import type { Content } from "../content.ts";
import { type Move, verb } from "../deed.ts";
import type { Effect, Said } from "../effect.ts";
import { ANY } from "../said.ts";
import type { Scene } from "../scene.ts";
import { propertyChange } from "./properties.ts";

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
    const guarded = dice.chance(10);
    return verb(["snapshot", "create", one, name, ...how, ...(guarded ? ["--protect"] : [])], {
      adds: [{ kind: "snapshot", name, says: { protected: guarded } }],
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
    const { said } = scene.model;
    const words = ["snapshot", "delete", scene.snapshotName(one)];
    if (dice.chance(80))
      return said.isProtected(one.id) ? verb(words, {}, { mustRefuse: 5 }) : verb(words, { removes: [one.id] });
    const all = Object.values(scene.model.state.snapshots);
    const removes = [one.id];
    for (const id of removes) removes.push(...all.filter(({ parent }) => parent === id).map((child) => child.id));
    if (removes.some((id) => said.isProtected(id))) return verb([...words, "--children", "-y"], {}, { mustRefuse: 5 });
    return verb([...words, "--children", "-y"], { removes: [one.id], mayRemove: removes });
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
    // It is used up, but for a protected one.
    const mayRemove = scene.model.said.isProtected(to.id) ? [] : [to.id];
    return verb(["snapshot", "unrevert", one[1]], { ...back(scene, to), automatic: true, mayRemove });
  },
};

const set: Move = {
  name: "snapshot set",
  weight: 5,
  plan(scene, dice) {
    const one = scene.snapshot(dice);
    if (one === undefined) return null;
    const words = ["snapshot", "set", scene.snapshotName(one)];
    const says = (said: Said) => ({ says: new Map([[one.id, said]]) });
    // What is protected is to be deleted in the end, too.
    const guards = !scene.model.said.isProtected(one.id);
    const guard = [guards ? "--protect" : "--unprotect"];
    switch (dice.below(6)) {
      case 0: {
        const name = scene.name("s");
        return verb([...words, "--name", name], says({ name }));
      }
      case 1: {
        const description = `as it was at step ${scene.step}`;
        return verb([...words, "--description", description, ...guard], says({ description, protected: guards }));
      }
      case 2: {
        const [said, properties] = propertyChange(scene, dice, one.id);
        return verb([...words, ...said], says({ properties }));
      }
      case 3:
        return dice.chance(50)
          ? verb([...words, "--expire", "30d"], says({ expiresAt: ANY }))
          : verb([...words, "--no-expire"], says({ expiresAt: null }));
      default:
        return verb([...words, ...guard], says({ protected: guards }));
    }
  },
};

const prune: Move = {
  name: "snapshot prune",
  weight: 1,
  plan: () => verb(["snapshot", "prune"], {}),
};

export const snapshotMoves: readonly Move[] = [create, remove, revert, unrevert, set, prune];
