/** The ends of processes: estrato's own, with its children or without, libvirtd's and QEMU's. */
import { readFileSync } from "node:fs";
import { killTree } from "../tree.ts";
import { type Fault, quietly } from "./fault.ts";

/** The operations that a line runs, by its first words. */
const OPERATIONS: readonly [line: RegExp, operations: readonly string[]][] = [
  [/^instance create/, ["instance.create"]],
  [/^instance set .*--name/, ["instance.rename"]],
  [/^instance rebuild/, ["instance.rebuild"]],
  [/^instance resize/, ["instance.resize"]],
  [/^instance delete/, ["instance.delete", "layer.merge"]],
  [/^instance release/, ["instance.release"]],
  [/^shelve .*--offload/, ["instance.shelve", "instance.offload", "instance.offload"]],
  [/^shelve/, ["instance.shelve"]],
  [/^unshelve/, ["instance.unshelve"]],
  [/^snapshot create/, ["snapshot.create", "snapshot.create", "volume.take-in"]],
  [/^snapshot delete/, ["snapshot.delete", "layer.merge", "layer.merge"]],
  [/^snapshot (revert|unrevert)/, ["snapshot.revert", "snapshot.revert", "snapshot.revert-volume"]],
  [/^volume create/, ["volume.create"]],
  [/^volume attach/, ["volume.attach"]],
  [/^volume detach/, ["volume.detach"]],
  [/^volume resize/, ["volume.resize"]],
  [/^volume delete/, ["volume.delete", "layer.merge"]],
  [/^image create/, ["image.create", "image.download"]],
  [/^image delete/, ["image.delete", "image.unshare", "layer.merge"]],
  [/^image save/, ["image.save"]],
  [/^image share/, ["image.share"]],
  [/^image unshare/, ["image.unshare"]],
  [/^schedule create/, ["schedule.create"]],
  [/^schedule delete/, ["schedule.delete"]],
  [/^backup create/, ["backup.create", "backup.create", "backup.delete", "snapshot.create"]],
  [/^schedule run/, ["snapshot.create", "snapshot.delete", "backup.create", "backup.delete", "layer.merge"]],
  [/^backup (delete|prune)/, ["backup.delete"]],
  [/^backup restore/, ["backup.restore", "instance.create", "volume.create", "snapshot.revert"]],
];

/** ESTRATO_TEST_CRASH: a step of an operation that the line may run; null where none is known. */
export function crashAt(dice: Parameters<Fault["strike"]>[1], words: readonly string[]): string | null {
  const line = words.join(" ");
  const found = OPERATIONS.find(([pattern]) => pattern.test(line))?.[1];
  if (found === undefined) return null;
  // The first steps are reached by every operation.
  const index = dice.chance(70) ? dice.below(3) : dice.below(9);
  return `${dice.pick(found)}:${index}:${dice.chance(50) ? "before" : "after"}`;
}

const atStep: Fault = {
  name: "killed at a step",
  weight: 30,
  strike(_, dice, words) {
    const at = crashAt(dice, words);
    return at === null ? null : { text: at, ending: { env: { ESTRATO_TEST_CRASH: at } } };
  },
};

const alone: Fault = {
  name: "killed alone",
  weight: 8,
  strike: (_, dice) => ({
    ending: { meanwhile: { afterMs: 150 + dice.below(900), act: (pid) => killTree(pid, { children: false }) } },
  }),
};

const withChildren: Fault = {
  name: "killed with its children",
  weight: 14,
  strike: (_, dice) => ({
    ending: { meanwhile: { afterMs: 150 + dice.below(900), act: (pid) => killTree(pid, { children: true }) } },
  }),
};

const daemonKilled: Fault = {
  name: "libvirtd killed",
  weight: 6,
  strike({ ground }, dice) {
    let killed: Promise<unknown> = Promise.resolve();
    const act = () => {
      killed = ground.libvirtd("kill");
    };
    return {
      ending: { meanwhile: { afterMs: 150 + dice.below(700), act } },
      // The line may have ended meanwhile: who starts it before it is dead finds it at work.
      over: quietly(async () => {
        await killed;
        await ground.libvirtd("start");
      }),
    };
  },
};

const daemonAway: Fault = {
  name: "libvirtd away",
  weight: 5,
  async strike({ ground }) {
    await ground.libvirtd("kill");
    return { over: quietly(() => ground.libvirtd("start")) };
  },
};

/** It takes calls and answers none: estrato's patience must end the line. */
const daemonStopped: Fault = {
  name: "libvirtd stands still",
  weight: 3,
  strike(_, dice) {
    const daemon = Number(readFileSync("/run/libvirtd.pid", "utf8"));
    return {
      ending: {
        env: { ESTRATO_HOST_TIMEOUT: "2" },
        meanwhile: { afterMs: dice.below(700), act: () => process.kill(daemon, "SIGSTOP") },
      },
      over: quietly(() => process.kill(daemon, "SIGCONT")),
    };
  },
};

const qemuKilled: Fault = {
  name: "QEMU killed",
  weight: 6,
  strike({ running, model }, dice, words) {
    const names = [...running].flatMap((id) => model.instances.get(id) ?? model.strangers.get(id)?.name ?? []);
    const name = names.find((one) => words.includes(one)) ?? dice.pick(names.sort());
    if (name === undefined) return null;
    let struck = false;
    const act = () => {
      try {
        process.kill(Number(readFileSync(`/run/libvirt/qemu/${name}.pid`, "utf8")), "SIGKILL");
        struck = true;
      } catch {
        // it has ended
      }
    };
    return { text: name, ending: { meanwhile: { afterMs: dice.below(800), act } }, struck: () => struck };
  },
};

export const ends: readonly Fault[] = [
  atStep,
  alone,
  withChildren,
  daemonKilled,
  daemonAway,
  daemonStopped,
  qemuKilled,
];
