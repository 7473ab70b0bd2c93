/** Schedules, run as cron runs them. */
import { type Move, verb } from "../deed.ts";
import type { Dice } from "../dice.ts";
import type { Scene } from "../scene.ts";

const MOST_SCHEDULES = 3;

const create: Move = {
  name: "schedule create",
  weight: 3,
  plan(scene, dice) {
    if (Object.keys(scene.model.state.schedules ?? {}).length >= MOST_SCHEDULES) return null;
    const one = scene.instance(dice);
    if (one === undefined) return null;
    const target = scene.target(dice);
    if (scene.model.away.has(target)) return null; // doctor would miss it
    const encrypts = scene.isLockedInstance(one[0]) ? ["--encrypt", "--passphrase-file", scene.ground.key] : [];
    const what = dice.chance(50) ? ["--snapshot", one[1]] : ["--backup", one[1], "--target", target, ...encrypts];
    const keep = ["--keep-last", `${1 + dice.below(3)}`, "--lock-timeout", "10s"];
    const name = scene.name("n");
    const says = { cron: "0 3 * * *", task: what[0] === "--snapshot" ? "snapshot" : "backup", verify: null };
    return verb(["schedule", "create", name, "--cron", "0 3 * * *", ...what, ...keep], {
      adds: [{ kind: "schedule", name, says }],
    });
  },
};

const run: Move = {
  name: "schedule run",
  weight: 6,
  plan(scene, dice) {
    const one = pick(scene, dice);
    if (one === undefined) return null;
    const words = ["schedule", "run", one.name];
    const { model } = scene;
    const { instance } = one;
    const released = model.strangers.get(instance);
    if (released !== undefined) {
      // It is adopted again.
      if (one.task.kind !== "snapshot") return null;
      return verb(words, { instance: released.name, adds: [{ kind: "snapshot", name: null }] });
    }
    if (model.state.instances[instance]?.shelved !== null) return verb(words, {});
    if (one.task.kind === "snapshot") {
      const mine = Object.values(model.state.snapshots).filter(
        ({ id, schedule }) => schedule === one.id && !model.said.isProtected(id),
      );
      return verb(words, { adds: [{ kind: "snapshot", name: null }], mayRemove: mine.map(({ id }) => id) });
    }
    const mine = model.of("backup").filter(({ id, of }) => of === instance && !model.said.isProtected(id));
    return verb(words, {
      adds: [{ kind: "backup", name: null }],
      made: model.contentsOf(instance),
      volumes: new Map(model.volumesOf(instance)),
      mayRemove: mine.map(({ id }) => id),
    });
  },
};

const set: Move = {
  name: "schedule set",
  weight: 2,
  plan(scene, dice) {
    const one = pick(scene, dice);
    if (one === undefined) return null;
    const percent = dice.chance(60) ? 1 + dice.below(100) : null;
    const words = ["schedule", "set", one.name, ...(percent === null ? ["--no-verify"] : ["--verify", `${percent}%`])];
    // Of snapshots nothing is verified.
    if (one.task.kind === "snapshot") return verb(words, {}, { mustRefuse: true });
    return verb(words, { says: new Map([[one.id, { verify: percent }]]) });
  },
};

const remove: Move = {
  name: "schedule delete",
  weight: 1,
  plan(scene, dice) {
    const one = pick(scene, dice);
    return one === undefined ? null : verb(["schedule", "delete", one.name], { removes: [one.id] });
  },
};

const pick = ({ model }: Scene, dice: Dice) =>
  dice.pick(Object.values(model.state.schedules ?? {}).sort((a, b) => (a.name < b.name ? -1 : 1)));

export const scheduleMoves: readonly Move[] = [create, run, set, remove];
