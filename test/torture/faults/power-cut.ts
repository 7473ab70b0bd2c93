/** The power goes, in the middle of a line or when it has ended: what was not synced is lost, from some instant on. */
import { spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { sure } from "../../e2e/processes.ts";
import { tryVirsh, virsh } from "../../e2e/virsh.ts";
import type { Ground } from "../ground.ts";
import { Disk } from "../power/disk.ts";
import { play } from "../power/play.ts";
import { restore } from "../power/restore.ts";
import { callsIn, tracedAt, tracedBy } from "../power/trace.ts";
import type { Scene } from "../scene.ts";
import { descendants, send } from "../tree.ts";
import { crashAt } from "./ends.ts";
import type { Blow, Fault } from "./fault.ts";

/** Where a trace and the copy lie: beside what is watched. */
const placesOf = ({ folder }: Ground) => ({
  log: `${folder}.strace`,
  guestsLog: `${folder}.guests.strace`,
  copy: `${folder}.before`,
});

export const powerCut: Fault = {
  name: "power cut",
  weight: 12,
  // A memory is written by libvirt, which is not traced; nor are guests on a store that is not there yet.
  async strike(scene, dice, words): Promise<Blow | null> {
    const { ground, model } = scene;
    if (words.includes("--memory") || model.things.size === 0) return null;
    const { log, guestsLog, copy } = placesOf(ground);
    rmSync(copy, { recursive: true, force: true });
    await sure("cp", "-a", ground.folder, copy);
    const guests = await traceGuests(scene, guestsLog);
    const at = dice.chance(50) ? crashAt(dice, words) : null;
    const afterMs = at === null && dice.chance(30) ? 300 + dice.below(1500) : null;
    const prefix = dice.below(3);
    const share = dice.below(100);
    const blow: { text: string } & Blow = {
      text: `${at ?? (afterMs === null ? "at its end" : `after ${afterMs} ms`)}${guests.count > 0 ? `, ${guests.count} guests running` : ""}`,
      ending: {
        under: tracedBy(log),
        env: { UV_USE_IO_URING: "0", ...(at === null ? {} : { ESTRATO_TEST_CRASH: at }) },
        ...(afterMs === null ? {} : { meanwhile: { afterMs, act: killUnderTrace } }),
      },
      over: async () => {
        await guests.end();
        for (const name of (await virsh("list", "--name")).split("\n").filter((one) => one !== ""))
          await tryVirsh("destroy", name);
        const disk = new Disk(ground.folder, copy);
        const logs = [log, guestsLog].filter((one) => existsSync(one));
        play(disk, callsIn(logs.map((one) => readFileSync(one, "utf8"))));
        const upTo = [0, disk.length, Math.floor((disk.length * share) / 100)][prefix] ?? 0;
        disk.cut(upTo);
        const lost = restore(disk, ground.folder);
        blow.text += `, ${lost.length} files lost something: ${lost.map((one) => one.slice(ground.folder.length + 1)).join(", ")}`;
        rmSync(copy, { recursive: true });
        for (const one of logs) rmSync(one);
        return [];
      },
      struck: () => true,
    };
    return blow;
  },
};

/** What the QEMUs that run write and sync goes to `log`, until the end. Of a guest that starts later nothing does. */
async function traceGuests({ running, model }: Scene, log: string): Promise<{ count: number; end(): Promise<void> }> {
  const names = [...running].flatMap((id) => model.instances.get(id) ?? model.strangers.get(id)?.name ?? []);
  const files = names.map((name) => `/run/libvirt/qemu/${name}.pid`).filter((file) => existsSync(file));
  const processes = files.map((file) => Number(readFileSync(file, "utf8")));
  if (processes.length === 0) return { count: 0, end: async () => undefined };
  const [file = "", ...args] = tracedAt(log, processes);
  const tracer = spawn(file, args, { stdio: "ignore" });
  const ended = new Promise<void>((done) => {
    tracer.once("close", () => done());
  });
  while (tracer.exitCode === null && !processes.every(isTraced)) await delay(20);
  return {
    count: processes.length,
    async end() {
      tracer.kill("SIGTERM");
      await ended;
    },
  };
}

/** All its threads. */
function isTraced(process: number): boolean {
  try {
    return readdirSync(`/proc/${process}/task`).every(
      (thread) => !/^TracerPid:\s0$/m.test(readFileSync(`/proc/${process}/task/${thread}/status`, "utf8")),
    );
  } catch {
    return true; // it has ended
  }
}

/** strace itself goes when those that it follows have gone. */
function killUnderTrace(pid: number): void {
  const all = descendants(pid);
  for (const one of all) send(one, "SIGSTOP");
  for (const one of all) send(one, "SIGKILL");
}
