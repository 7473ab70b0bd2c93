/** Two lines at the same time, each in a process of its own: each is done or refused, as if it were alone. */
import type { Deed, Move } from "../deed.ts";
import type { Dice } from "../dice.ts";
import type { Effect } from "../effect.ts";
import type { Scene } from "../scene.ts";
import { look } from "../seen.ts";
import { isRefusal } from "../struck.ts";
import { backupMoves } from "./backups.ts";
import { imageMoves } from "./images.ts";
import { instanceMoves } from "./instances.ts";
import { recordMoves } from "./records.ts";
import { scheduleMoves } from "./schedules.ts";
import { snapshotMoves } from "./snapshots.ts";
import { volumeMoves } from "./volumes.ts";

/** What a schedule takes depends on what the other line does to its instance. */
const all = [
  ...instanceMoves,
  ...volumeMoves,
  ...snapshotMoves,
  ...imageMoves,
  ...backupMoves,
  ...scheduleMoves.filter(({ name }) => name !== "schedule run"),
  ...recordMoves,
];

/** Their order must not matter for what anything holds, and the model tells the new things of one line alone. */
async function planned(scene: Scene, dice: Dice, isFirst: boolean): Promise<Deed | null> {
  for (let attempt = 0; attempt < 12; attempt += 1) {
    const deed = await dice.weighed(all).plan(scene, dice);
    if (deed?.words === undefined || deed.mustRefuse || deed.after !== undefined) continue;
    const { writes, gone, automatic, made, instance } = deed.effect;
    if (writes !== undefined || gone !== undefined || automatic) continue;
    if (!isFirst && (made !== undefined || instance !== undefined)) continue;
    return deed;
  }
  return null;
}

/** What is deleted is gone; which are the oldest of a rotation depends on what the other line does. */
function alone({ effect, words = [] }: Deed): Effect {
  if (words[1] === "delete") return effect;
  const { removes = [], mayRemove = [], ...rest } = effect;
  return { ...rest, mayRemove: [...removes, ...mayRemove] };
}

/** Both lines' together. */
function both(a: Effect, b: Effect): Effect {
  return {
    ...b,
    ...a,
    adds: [...(a.adds ?? []), ...(b.adds ?? [])],
    removes: [...(a.removes ?? []), ...(b.removes ?? [])],
    mayRemove: [...(a.mayRemove ?? []), ...(b.mayRemove ?? [])],
    says: new Map([...(a.says ?? []), ...(b.says ?? [])]),
  };
}

const pair: Move = {
  name: "two at once",
  weight: 8,
  async plan(scene, dice) {
    if (scene.model.things.size === 0) return null;
    const deeds = [await planned(scene, dice, true), await planned(scene, dice, false)];
    const [first, second] = deeds;
    if (first == null || second == null || first.text === second.text) return null;
    // What both set would be as the later said.
    if ([...(second.effect.says?.keys() ?? [])].some((id) => first.effect.says?.has(id))) return null;
    const act = async () => {
      const { ground, model } = scene;
      const ends = await Promise.all([first, second].map(({ words = [] }) => ground.ended(words)));
      const wrong = ends.flatMap(({ code, stderr }, index) =>
        code === 0 || isRefusal(deeds[index]?.words ?? [], code) ? [] : [`exit ${code}: ${stderr}`],
      );
      const done = [first, second].filter((_, index) => ends[index]?.code === 0).map(alone);
      return [...wrong, ...model.learn(done.reduce(both, {}), "done", look(ground))];
    };
    return { effect: {}, act, text: `# ${first.text} & ${second.text}`, whole: true };
  },
};

export const pairMoves: readonly Move[] = [pair];
