/** Verbs that start guests, stop them, and let them stand still. */
import { type Move, verb } from "../deed.ts";
import { liveState } from "../domains.ts";

export const MOST_RUNNING = 2;

/** What libvirt says of it when that was reported done. */
const stateIs = (id: string, wished: string | null) => async () => {
  const found = await liveState(id);
  return found === wished ? [] : [`${id} is ${found ?? "off"}, and was to be ${wished ?? "off"}`];
};

const start: Move = {
  name: "instance start",
  weight: 4,
  plan(scene, dice) {
    if (scene.running.size >= MOST_RUNNING) return null;
    const one = scene.instance(dice, (id) => !scene.running.has(id));
    if (one === undefined) return null;
    return verb(["instance", "start", one[1]], {}, { isOfPower: true, after: stateIs(one[0], "running") });
  },
};

const stop: Move = {
  name: "instance stop",
  weight: 5,
  plan(scene, dice) {
    const one = scene.instance(dice, (id) => scene.running.has(id));
    if (one === undefined) return null;
    // A guest without a system does not hear its button.
    const how = dice.chance(70) ? ["--force"] : ["--timeout", "1s"];
    return verb(["instance", "stop", one[1], ...how], {}, { isOfPower: true, after: stateIs(one[0], null) });
  },
};

const pause: Move = {
  name: "instance pause",
  weight: 3,
  plan(scene, dice) {
    const one = scene.instance(dice, (id) => scene.running.has(id));
    return one === undefined
      ? null
      : verb(["instance", "pause", one[1]], {}, { isOfPower: true, after: stateIs(one[0], "paused") });
  },
};

const resume: Move = {
  name: "instance resume",
  weight: 3,
  plan(scene, dice) {
    const one = scene.instance(dice, (id) => scene.running.has(id));
    return one === undefined
      ? null
      : verb(["instance", "resume", one[1]], {}, { isOfPower: true, after: stateIs(one[0], "running") });
  },
};

const reboot: Move = {
  name: "instance reboot",
  weight: 3,
  plan(scene, dice) {
    const isHard = dice.chance(60);
    const startsToo = isHard && scene.running.size < MOST_RUNNING;
    const one = scene.instance(dice, (id) => !scene.asked.has(id) && (startsToo || scene.running.has(id)));
    return one === undefined ? null : verb(["instance", "reboot", one[1], ...(isHard ? ["--hard"] : [])], {});
  },
};

export const powerMoves: readonly Move[] = [start, stop, pause, resume, reboot];
